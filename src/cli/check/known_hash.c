/* See known_hash.h. Lists of hashes are as sha256sum writes them: a line a file, "HASH  NAME" or "HASH *NAME". */
#include "cli/check/known_hash.h"

#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 2 * SHA256_BYTES };

int hash_read(const char *text, uint8_t hash[SHA256_BYTES])
{
    for (int i = 0; i < DIGITS; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return 0;
        hash[i / 2] = (uint8_t)(i % 2 ? hash[i / 2] | digit : digit << 4);
    }
    return hex_digit(text[DIGITS]) < 0;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The hash of `name` in the list at path; alone: a line with a hash alone will do. */
static int in_list(const char *path, const char *name, int alone, uint8_t hash[SHA256_BYTES])
{
    enum { MOST = 16 << 20 };
    struct error none = {0};
    size_t n;
    int found = 0;
    char *text = file_read_regular(path, MOST, &n, &none);
    for (char *rest_of = text, *line; !found && (line = strsep(&rest_of, "\n"));) {
        line[strcspn(line, "\r")] = 0;
        if (strlen(line) < DIGITS || !hash_read(line, hash))
            continue;
        const char *rest = line + DIGITS + strspn(line + DIGITS, " \t*");
        found = *rest ? strcmp(name_of(rest), name) == 0 : alone;
    }
    free(text);
    return found;
}

int known_hash(const char *path, uint8_t hash[SHA256_BYTES], char *source, size_t n_source)
{
    char other[PATH_MAX];
    const char *name = name_of(path);
    int n = snprintf(other, sizeof other, "%s.sha256", path);
    if (n > 0 && (size_t)n < sizeof other && in_list(other, name, 1, hash)) {
        snprintf(source, n_source, "%s.sha256", name);
        return 1;
    }
    n = snprintf(other, sizeof other, "%.*sSHA256SUMS", (int)(name - path), path);
    if (n > 0 && (size_t)n < sizeof other && in_list(other, name, 0, hash)) {
        snprintf(source, n_source, "SHA256SUMS");
        return 1;
    }
    char *real = realpath(path, NULL);
    int is_named = real && strlen(name_of(real)) == DIGITS && hash_read(name_of(real), hash);
    free(real);
    if (is_named)
        snprintf(source, n_source, "the file's own name");
    return is_named;
}
