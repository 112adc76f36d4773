/* links: */
/* Files of recorded rows, read by a program that shares no code with the one that writes them: header, alignment, offsets without a hole,
 * the length of the file, as text for tests/cli/activations.sh.
 *
 *     read_rows FILE.npy|FILE.safetensors [TENSOR]     the first six numbers of the tensor, behind the line of the file */
#include <jansson.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void bad(const char *what)
{
    fprintf(stderr, "BAD %s\n", what);
    exit(1);
}

static uint64_t number(const uint8_t *b, int n_bytes)
{
    uint64_t x = 0;
    while (n_bytes-- > 0)
        x = x << 8 | b[n_bytes];
    return x;
}

static uint8_t *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    long size;
    if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 16 || fseek(f, 0, SEEK_SET))
        bad("file");
    uint8_t *b = calloc(1, (size_t)size + 1);
    if (!b || fread(b, 1, (size_t)size, f) != (size_t)size)
        bad("file");
    fclose(f);
    *n = (size_t)size;
    return b;
}

/* NEP 1, version 1.0. */
static void npy(const uint8_t *b, size_t size)
{
    size_t n = (size_t)number(b + 8, 2), rows, cols;
    char type, text[256] = "";
    unsigned width;
    if (b[6] != 1 || b[7] != 0 || 10 + n > size || n >= sizeof text || (10 + n) % 64 || b[9 + n] != '\n')
        bad("header");
    memcpy(text, b + 10, n);
    if (sscanf(text, "{'descr': '<%c%1u', 'fortran_order': False, 'shape': (%zu, %zu)", &type, &width, &rows, &cols) !=
        4)
        bad("header");
    if (size != 10 + n + rows * cols * width)
        bad("length");
    printf("npy <%c%u %zu %zu\n", type, width, rows, cols);
}

static size_t element(const char *dtype) { return strcmp(dtype, "F32") == 0 || strcmp(dtype, "I32") == 0 ? 4 : 2; }

static void show_numbers(const uint8_t *b, size_t n, const char *dtype)
{
    for (size_t i = 0; i < n && i < 6; i++) {
        uint32_t bits = (uint32_t)number(b + 4 * i, 4);
        float x;
        memcpy(&x, &bits, 4);
        printf(i ? "," : "(");
        if (strcmp(dtype, "I32") == 0)
            printf("%" PRId32, (int32_t)bits);
        else
            printf("%.9g", (double)x);
    }
    printf(")\n");
}

/* One tensor, behind `end` bytes of others: where it ends. */
static size_t tensor(const char *name, json_t *t, size_t end)
{
    const char *dtype = json_string_value(json_object_get(t, "dtype"));
    json_t *shape = json_object_get(t, "shape"), *offsets = json_object_get(t, "data_offsets"), *d;
    size_t count = 1, i, lo = (size_t)json_integer_value(json_array_get(offsets, 0)),
           hi = (size_t)json_integer_value(json_array_get(offsets, 1));
    printf(" %s:%s[", name, dtype);
    json_array_foreach(shape, i, d)
    {
        count *= (size_t)json_integer_value(d);
        printf(i ? ",%" JSON_INTEGER_FORMAT : "%" JSON_INTEGER_FORMAT, json_integer_value(d));
    }
    printf("]");
    if (!dtype || lo != end || hi - lo != count * element(dtype))
        bad(name);
    return hi;
}

static void safetensors(const uint8_t *b, size_t size, const char *wanted)
{
    size_t n = (size_t)number(b, 8), end = 0;
    const char *key;
    json_t *t, *text;
    if (n > size - 8 || (8 + n) % 64)
        bad("alignment");
    json_t *header = json_loadb((const char *)b + 8, n, JSON_REJECT_DUPLICATES, NULL),
           *meta = json_object_get(header, "__metadata__");
    if (!meta || strcmp(json_string_value(json_object_get(meta, "format")), "stoker-activations-1") != 0)
        bad("metadata");
    json_object_foreach(meta, key, text) if (!json_is_string(text)) bad("metadata");
    printf("%s", json_string_value(json_object_get(meta, "arch")));
    json_object_foreach(header, key, t) if (t != meta) end = tensor(key, t, end);
    printf("\n");
    if (size != 8 + n + end)
        bad("length");
    if (wanted && (t = json_object_get(header, wanted))) {
        json_t *offsets = json_object_get(t, "data_offsets");
        size_t lo = (size_t)json_integer_value(json_array_get(offsets, 0)),
               hi = (size_t)json_integer_value(json_array_get(offsets, 1));
        show_numbers(b + 8 + n + lo, (hi - lo) / 4, json_string_value(json_object_get(t, "dtype")));
    }
    json_decref(header);
}

int main(int argc, char **argv)
{
    size_t size;
    if (argc < 2)
        bad("usage: read_rows FILE [TENSOR]");
    uint8_t *b = read_file(argv[1], &size);
    if (memcmp(b, "\x93NUMPY", 6) == 0)
        npy(b, size);
    else
        safetensors(b, size, argc > 2 ? argv[2] : NULL);
    free(b);
    return 0;
}
