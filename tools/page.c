/* Makes the page of src/server/own/page/ into a C header, when the program is built:
 *
 *     page index.html [FILE...] > page_data.h
 *
 * A line "@include FILE" stands for a file of the same folder; of scripts (.js) it leaves out the lines that are comments. The files
 * behind the document are its parts: what it asks the server for when it needs them (/page/NAME), each as it is. The SHA-256 of the
 * document's script and of every part that is one go into the Content-Security-Policy, so that a browser runs these scripts and no other.
 * Fails when the document is larger than it may be, or has not exactly one script. */
#include "base/sha256.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 120000, MOST_PARTS = 64, LARGEST_PART = 1 << 20 };

static char page[LARGEST + 1];
static size_t n_page;

static void fail(const char *what, const char *about)
{
    fprintf(stderr, "page: %s%s\n", what, about);
    exit(1);
}

static bool is_comment(const char *line)
{
    return strncmp(line + strspn(line, " "), "//", 2) == 0;
}

static void add(const char *folder, const char *name)
{
    const char *dot = strrchr(name, '.');
    bool is_script = dot && strcmp(dot, ".js") == 0;
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
        if (is_script && is_comment(line))
            continue;
        if (n_page + n > LARGEST)
            fail("the document is larger than 120,000 bytes", "");
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

static void hash_of(char *out, const void *text, size_t n)
{
    uint8_t digest[SHA256_BYTES];
    sha256(text, n, digest);
    base64(out, digest, sizeof digest);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *type_of(const char *name)
{
    static const char *const known[][2] = {
        {".js", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"}, {".woff2", "font/woff2"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcmp(dot, known[i][0]) == 0)
            return known[i][1];
    fail("what type is ", name);
    return NULL;
}

static void print_bytes(const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%s%u,", i % 32 ? "" : "\n", bytes[i]);
    printf("\n};\n");
}

static size_t read_part(const char *path, unsigned char *bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        fail("cannot read ", path);
    size_t n = fread(bytes, 1, LARGEST_PART + 1, f);
    if (ferror(f))
        fail("cannot read ", path);
    fclose(f);
    if (n == 0 || n > LARGEST_PART)
        fail("empty, or larger than 1 MiB: ", path);
    return n;
}

/* Prints the parts' bytes and their table; *hashes gets what the policy says of scripts among them. */
static void print_parts(char **path, size_t n, char *hashes, size_t size)
{
    static unsigned char bytes[LARGEST_PART + 1];
    static size_t length[MOST_PARTS];
    char hash[64];
    size_t used = 0;
    if (n > MOST_PARTS)
        fail("too many parts", "");
    *hashes = 0;
    for (size_t i = 0; i < n; i++) {
        length[i] = read_part(path[i], bytes);
        printf("static const unsigned char page_part_%zu[] = {", i);
        print_bytes(bytes, length[i]);
        if (strncmp(type_of(path[i]), "text/javascript", 15) == 0) {
            hash_of(hash, bytes, length[i]);
            used += (size_t)snprintf(hashes + used, size - used, " 'sha256-%s'", hash);
            if (used >= size)
                fail("too many scripts", "");
        }
    }
    printf("static const struct page_part {\n    const char *name, *type;\n    const unsigned char *bytes;\n    size_t "
           "n;\n} "
           "page_parts[] = {\n");
    for (size_t i = 0; i < n; i++)
        printf("    {\"%s\", \"%s\", page_part_%zu, %zu},\n", base_name(path[i]), type_of(path[i]), i, length[i]);
    printf("    {NULL, NULL, NULL, 0}};\n");
}

int main(int argc, char **argv)
{
    char hash[64], hashes[1024], folder[4096];
    if (argc < 2)
        fail("usage: page INDEX [FILE...] > HEADER", "");
    const char *name = base_name(argv[1]);
    snprintf(folder, sizeof folder, "%.*s", (int)(name - argv[1]), argv[1]);
    add(folder, name);

    const char *script = behind(page, "<script type=\"module\">"),
               *end = behind(page, "</script>") - strlen("</script>");
    const char *keys = behind(page, "data-keys=\"");
    hash_of(hash, script, (size_t)(end - script));

    printf("/* Made by tools/page.c of %s. */\n#include <stddef.h>\n\n", name);
    printf("enum { page_keys_at = %zu }; /* \"1\": the server asks for a key */\n", (size_t)(keys - page));
    printf("static const unsigned char page_data[] = {");
    print_bytes((const unsigned char *)page, n_page);
    print_parts(argv + 2, (size_t)argc - 2, hashes, sizeof hashes);
    printf("static const char page_policy[] =\n    \"default-src 'none'; connect-src 'self'; frame-src 'self'; img-src data:; font-src "
           "'self'; style-src "
           "'unsafe-inline'; \"\n"
           "    \"script-src 'sha256-%s'%s; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\";\n",
           hash, hashes);
    return fflush(stdout) || ferror(stdout);
}
