/* See flags.h. */
#include "cli/front/flags.h"

#include "base/error.h"
#include "base/file.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- keys ---------------------------------------------------------------------------------------------------- */

/* The lines of a text are keys: 0, or -1 where there are too many. */
static int split_keys(char *text, struct text_list *keys)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        size_t n = strlen(line);
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            line[--n] = 0;
        line += strspn(line, " \t");
        if (*line && keys->n == TEXTS_MOST)
            return -1;
        if (*line)
            keys->text[keys->n++] = line;
    }
    return 0;
}

/* The lines of a file are keys. It stays in memory for the life of the process. 0, or the exit status after a sentence: 1 where it
 * cannot be read, as of every file. */
static int read_keys(const char *command, const char *path, struct text_list *keys)
{
    enum { MOST = 1 << 20 };
    struct error err = {0};
    size_t n;
    char *text = file_read(path, MOST, &n, &err);
    if (!text)
        fprintf(stderr, "stoker %s: --api-key-file %s\n", command, err.text);
    else if (memchr(text, 0, n)) /* the key would be what stands before it */
        fprintf(stderr, "stoker %s: --api-key-file %s holds a zero byte: it must be text, not UTF-16\n", command, path);
    else if (split_keys(text, keys))
        fprintf(stderr, "stoker %s: --api-key-file %s: more than %d keys\n", command, path, TEXTS_MOST);
    else if (keys->n == 0)
        fprintf(stderr, "stoker %s: --api-key-file %s holds no key\n", command, path);
    else
        return 0;
    free(text);
    return err.code == ERR_IO ? 1 : 2;
}

/* ---- checks -------------------------------------------------------------------------------------------------- */

static int has_control(const char *text)
{
    while (*text && (unsigned char)*text >= 0x20 && *text != 0x7f)
        text++;
    return *text != 0;
}

int front_check_texts(const char *command, const char *flag, const struct text_list *l)
{
    for (int i = 0; i < l->n; i++)
        if (l->text[i][strspn(l->text[i], " \t\r\n")] == 0) {
            fprintf(stderr, "stoker %s: %s is empty: give it a text, or leave the flag out\n", command, flag);
            return -1;
        } else if (has_control(l->text[i])) {
            fprintf(stderr, "stoker %s: %s has a line's end or another control character in it: give one line\n",
                    command, flag);
            return -1;
        }
    return 0;
}

/* A name is compared as it is: "*" would allow nobody, and mean everybody. */
static int check_names(const char *command, const struct text_list *l)
{
    for (int i = 0; i < l->n; i++)
        if (strpbrk(l->text[i], "*/ @")) {
            fprintf(stderr,
                    "stoker %s: --allow-host %s: a name has no *, / or blank; give each name that this server is "
                    "reached by\n",
                    command, l->text[i]);
            return -1;
        }
    return 0;
}

/* Browsers send scheme, host and port: RFC 6454, 6.2. */
static int is_origin(const char *text)
{
    const char *host = strstr(text, "://");
    return host && host > text && host[3] && !strpbrk(host + 3, "/?#@ ");
}

/* Every page that is in a sandbox or was opened from a file has the origin "null": whoever writes a page can have it so. */
static int check_origins(const char *command, const struct text_list *l)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->text[i], "*") != 0 && strcasecmp(l->text[i], "null") != 0 && !is_origin(l->text[i])) {
            fprintf(stderr,
                    "stoker %s: --cors %s: an origin is scheme://host or scheme://host:port, nothing behind, or '*'\n",
                    command, l->text[i]);
            return -1;
        } else if (strcasecmp(l->text[i], "null") == 0) {
            fprintf(stderr,
                    "stoker %s: --cors null lets every page ask that is in a sandbox or was opened from a "
                    "file, whoever wrote it: give the page a server, or allow all pages with --cors '*'\n",
                    command);
            return -1;
        }
    return 0;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

struct http_texts front_texts(const struct text_list *l) { return (struct http_texts){l->text, (size_t)l->n}; }

int front_flags_take(const char *command, struct front_flags *f, struct server_options *o)
{
    if (front_check_texts(command, "--api-key", &f->key) || front_check_texts(command, "--allow-host", &f->allow) ||
        check_names(command, &f->allow) || front_check_texts(command, "--cors", &f->cors) ||
        check_origins(command, &f->cors))
        return 2;
    int status = f->key_file ? read_keys(command, f->key_file, &f->key) : 0;
    if (status)
        return status;
    if (o->max_body >= STOKER_MEMORY_MAX || o->max_body > UINT64_C(1) << 40) {
        fprintf(stderr, "stoker %s: --max-body must be a number of bytes, at most 1T\n", command);
        return 2;
    }
    o->key = front_texts(&f->key);
    o->cors = front_texts(&f->cors);
    o->allow_host = front_texts(&f->allow);
    return 0;
}

struct flag_table front_flags(struct server_options *o, struct front_flags *f)
{
    static struct flag table[10];
    const struct flag rows[] = {
        {"--host", NULL, FLAG_TEXT, &o->host, 0, 0, "ADDRESS",
         "where to listen (default 127.0.0.1: this machine only)"},
        {"--api-key", NULL, FLAG_TEXTS, &f->key, 0, 0, "KEY", "who has it may ask; may be given several times",
         .is_secret = 1},
        {"--api-key-file", NULL, FLAG_TEXT, &f->key_file, 0, 0, "FILE",
         "a key a line: keys of --api-key show in lists of processes"},
        {"--cors", NULL, FLAG_TEXTS, &f->cors, 0, 0, "ORIGIN", "web pages that may ask, \"https://app.example\", or *"},
        {"--allow-host", NULL, FLAG_TEXTS, &f->allow, 0, 0, "NAME",
         "a name of this server, beside localhost; may be given several times"},
        {"--max-body", NULL, FLAG_BYTES, &o->max_body, 1, 0, "BYTES", "of a request (default 32M)",
         .heading = "Limits"},
        {"--max-conns", NULL, FLAG_INT, &o->max_conns, 1, 16384, "N", "connections at a time (default 512)"},
        {"--header-timeout", NULL, FLAG_REAL, &o->header_timeout, 0.1, 3600, "S", "for a request's head (default 10)"},
        {"--body-timeout", NULL, FLAG_REAL, &o->body_timeout, 0.1, 3600, "S",
         "for its body, and 1 s a MiB (default 60)"},
        {"--drain", NULL, FLAG_REAL, &o->drain, 0, 86400, "S",
         "running answers may take this long at the end (default 30)"},
    };
    enum { N = sizeof rows / sizeof *rows };
    memcpy(table, rows, sizeof rows);
    return (struct flag_table){table, N};
}
