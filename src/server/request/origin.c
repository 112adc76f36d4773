/* Paths of a chat in the words of the body it was made from: origin.h. */
#include "server/request/origin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PATH = sizeof((struct refusal *)0)->param };

int origin_note(json_t *origins, const struct json_at *at, const char *key, const char *path, ...)
{
    char from[PATH], to[PATH];
    va_list args;
    va_start(args, path);
    vsnprintf(from, sizeof from, path, args);
    va_end(args);
    return json_object_set_new(origins, from, json_string(json_path(to, sizeof to, at, key)));
}

/* The client's name of the longest part of path that has one; *n: its bytes. */
static const char *find(const json_t *origins, const char *path, size_t *n)
{
    char part[PATH];
    snprintf(part, sizeof part, "%s", path);
    for (size_t k = strlen(part); k > 0; k--) {
        if (path[k] && path[k] != '.' && path[k] != '[')
            continue;
        part[k] = 0;
        const char *name = json_string_value(json_object_get(origins, part));
        if (name) {
            *n = k;
            return name;
        }
    }
    return NULL;
}

void origin_rename(const json_t *origins, struct refusal *r)
{
    struct refusal old = *r;
    size_t n;
    const char *name = *r->param ? find(origins, r->param, &n) : NULL;
    if (!name)
        return;
    snprintf(r->param, sizeof r->param, "%s%s", name, old.param + n);
    const char *found = strstr(old.text, old.param);
    if (found)
        snprintf(r->text, sizeof r->text, "%.*s%s%s", (int)(found - old.text), old.text, r->param,
                 found + strlen(old.param));
}
