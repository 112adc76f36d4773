/* Makes the page of src/server/own/page/ into a C header, when the program is built:
 *
 *     page index.html > page_data.h
 *
 * A line "@include FILE" stands for a file of the same folder. The script's SHA-256 goes into the Content-Security-Policy, so that a
 * browser runs this script and no other. Fails when the document is larger than it may be, or has not exactly one script. */
#include "base/sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 128 << 10 };

static char page[LARGEST + 1];
static size_t n_page;

static void fail(const char *what, const char *about)
{
    fprintf(stderr, "page: %s%s\n", what, about);
    exit(1);
}

static void add(const char *folder, const char *name)
{
    char path[4096], line[4096];
    snprintf(path, sizeof path, "%s%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail("cannot read ", path);
    while (fgets(line, sizeof line, f)) {
        size_t n = strlen(line);
        if (line[n - 1] != '\n')
            fail("a line without end, or longer than 4094 bytes, in ", path);
        if (strncmp(line, "@include ", 9) == 0) {
            line[n - 1] = 0;
            add(folder, line + 9);
            continue;
        }
        if (n_page + n > LARGEST)
            fail("the document is larger than 128 KiB", "");
        memcpy(page + n_page, line, n);
        n_page += n;
    }
    if (ferror(f))
        fail("cannot read ", path);
    fclose(f);
}

/* What stands behind the only place of mark. */
static const char *behind(const char *from, const char *mark)
{
    const char *at = strstr(from, mark);
    if (!at || strstr(at + 1, mark))
        fail("the document must have exactly once: ", mark);
    return at + strlen(mark);
}

static void base64(char *out, const uint8_t *in, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
        *out++ = digit[v >> 18];
        *out++ = digit[v >> 12 & 63];
        *out++ = i + 1 < n ? digit[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digit[v & 63] : '=';
    }
    *out = 0;
}

int main(int argc, char **argv)
{
    uint8_t digest[SHA256_BYTES];
    char hash[64], folder[4096];
    if (argc != 2)
        fail("usage: page INDEX > HEADER", "");
    const char *slash = strrchr(argv[1], '/'), *name = slash ? slash + 1 : argv[1];
    snprintf(folder, sizeof folder, "%.*s", (int)(name - argv[1]), argv[1]);
    add(folder, name);

    const char *script = behind(page, "<script type=\"module\">"),
               *end = behind(page, "</script>") - strlen("</script>");
    const char *keys = behind(page, "data-keys=\"");
    sha256(script, (size_t)(end - script), digest);
    base64(hash, digest, sizeof digest);

    printf("/* Made by tools/page.c of %s. */\n#include <stddef.h>\n\n", name);
    printf("static const char page_policy[] =\n    \"default-src 'none'; connect-src 'self'; img-src data:; style-src "
           "'unsafe-inline'; \"\n"
           "    \"script-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\";\n",
           hash);
    printf("enum { page_keys_at = %zu }; /* \"1\": the server asks for a key */\n", (size_t)(keys - page));
    printf("static const unsigned char page_data[] = {");
    for (size_t i = 0; i < n_page; i++)
        printf("%s%u,", i % 32 ? "" : "\n", (unsigned char)page[i]);
    printf("\n};\n");
    return fflush(stdout) || ferror(stdout);
}
