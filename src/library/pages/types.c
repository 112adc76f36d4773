/* See types.h. */
#include "library/pages/types.h"

#include "base/utf8.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *mime, *utf8; /* utf8: of a text, with its encoding; NULL: it is no text */
} types[] = {{"text/html", "text/html; charset=utf-8"},
             {"application/xhtml+xml", "application/xhtml+xml; charset=utf-8"},
             {"text/plain", "text/plain; charset=utf-8"},
             {"text/css", "text/css; charset=utf-8"},
             {"image/png", NULL},
             {"image/jpeg", NULL},
             {"image/gif", NULL},
             {"image/webp", NULL},
             {"image/avif", NULL},
             {"image/bmp", NULL},
             {"image/x-icon", NULL},
             {"image/vnd.microsoft.icon", NULL},
             {"image/svg+xml", "image/svg+xml; charset=utf-8"}};

const char *page_type(const char *mime, const char *bytes, size_t n)
{
    size_t length = strcspn(mime, "; \t");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].mime) == length && strncasecmp(types[i].mime, mime, length) == 0)
            return types[i].utf8 && utf8_valid(bytes, n) == n ? types[i].utf8 : types[i].mime;
    return "application/octet-stream";
}

const char *page_mime_of_file(const char *name)
{
    static const char *const known[][2] = {
        {".html", "text/html"}, {".htm", "text/html"}, {".xhtml", "application/xhtml+xml"}, {".txt", "text/plain"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(dot, known[i][0]) == 0)
            return known[i][1];
    return NULL;
}
