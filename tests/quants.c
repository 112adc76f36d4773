/* links: format base */
/* Block decoding against vectors, bit for bit: quants [PATH...] (files, or folders of *.bin; without: quants of the test data).
 *
 * A vector file, little-endian: "STKQNT1\0", u32 type, u32 n_values, u32 n_bytes, n_bytes of blocks, n_values of f32. */
#include "base/half.h"
#include "format/types.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEAD = 20 };

static int n_passed, n_failed;

static int failed(const char *path, const char *why)
{
    printf("FAIL %s: %s\n", path, why);
    n_failed++;
    return -1;
}

/* The whole file, or NULL; the caller frees it. */
static uint8_t *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    uint8_t *bytes = NULL;
    if (f && fstat(fileno(f), &st) == 0 && (bytes = malloc((size_t)st.st_size + 1)))
        *size = fread(bytes, 1, (size_t)st.st_size, f);
    if (f)
        fclose(f);
    return bytes;
}

/* Decode the blocks of a vector file and compare; the result has a guard behind it. */
static int check_vector(const char *path, const uint8_t *bytes, size_t size)
{
    if (size < HEAD || memcmp(bytes, "STKQNT1", 8) != 0)
        return failed(path, "not a vector file");
    uint32_t type = load_u32(bytes + 8), n = load_u32(bytes + 12), n_bytes = load_u32(bytes + 16);
    const struct block_info *t = type_info(type);
    if (!t || !t->decode)
        return failed(path, "a type without a decoder");
    if (size != HEAD + (size_t)n_bytes + 4 * (size_t)n)
        return failed(path, "its size is not what its head says");
    if (n % (uint32_t)t->block != 0 || type_row_bytes(t, n) != n_bytes)
        return failed(path, "blocks and values do not match the type table");

    float *out = malloc(4 * (size_t)n + 4);
    if (!out)
        return failed(path, "no memory");
    float guard = -12345.0f;
    memcpy(out + n, &guard, 4);
    t->decode(out, bytes + HEAD, n);
    const uint8_t *want = bytes + HEAD + n_bytes;
    uint32_t bad = 0, first = 0;
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(out + i, want + 4 * (size_t)i, 4) != 0 && bad++ == 0)
            first = i;
    int status = 0;
    if (memcmp(out + n, &guard, 4) != 0)
        status = failed(path, "the decoder wrote past its end");
    if (bad) {
        printf("%s: value %u is %a, the vector has %a\n", t->name, first, (double)out[first],
               (double)f32_from_bits(load_u32(want + 4 * (size_t)first)));
        status = failed(path, "values differ");
    }
    free(out);
    return status;
}

static void check_file(const char *path)
{
    size_t size = 0;
    uint8_t *bytes = slurp(path, &size);
    if (!bytes)
        failed(path, "cannot be read");
    else if (check_vector(path, bytes, size) == 0)
        n_passed++;
    free(bytes);
}

static int is_vector(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 4 && strcmp(e->d_name + n - 4, ".bin") == 0;
}

static void check_folder(const char *path)
{
    struct dirent **entry;
    int n = scandir(path, &entry, is_vector, alphasort);
    if (n <= 0)
        failed(path, "no *.bin in it");
    for (int i = 0; i < n; i++) {
        char file[4096];
        if (snprintf(file, sizeof file, "%s/%s", path, entry[i]->d_name) < (int)sizeof file)
            check_file(file);
        else
            failed(path, "its name is too long");
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

static int check_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return -1;
    if (S_ISDIR(st.st_mode))
        check_folder(path);
    else
        check_file(path);
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (check_path(argv[i]) != 0)
            failed(argv[i], "does not exist");
    if (argc == 1 && check_path(TEST_DATA "/quants") != 0)
        failed(TEST_DATA "/quants", "does not exist");
    printf("%d passed, %d failed, 0 skipped\n", n_passed, n_failed);
    return n_failed > 0;
}
