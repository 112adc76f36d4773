/* Speed of a tokenizer: tokenizers --bench VOCAB.gguf TEXT [PRE]. Time of one core, as the system counts it for the thread; the best
 * of several runs, because other programs only ever make a run slower. */
#ifndef TOKENIZERS_BENCH_H
#define TOKENIZERS_BENCH_H

#include "base/error.h"
#include "format/gguf.h"
#include "text/tokenizer/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline double bench_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline char *bench_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    *n = 0;
    if (f && fseek(f, 0, SEEK_END) == 0 && ftell(f) >= 0) {
        size_t size = (size_t)ftell(f);
        rewind(f);
        if ((text = malloc(size + 1)))
            *n = fread(text, 1, size, f);
    }
    if (f)
        fclose(f);
    return text;
}

/* Seconds for one text; the number of ids in *n_ids. */
static inline double bench_once(const struct tokenizer *t, const char *text, size_t n, size_t *n_ids)
{
    struct token_list l = {0};
    struct error err = {0};
    double begin = bench_clock();
    if (tokenizer_encode(t, text, n, 0, 0, &l, &err) != 0)
        printf("%s\n", err.text);
    double took = bench_clock() - begin;
    *n_ids = l.n;
    token_list_free(&l);
    return took;
}

static inline double bench_best(const struct tokenizer *t, const char *text, size_t n, int runs, size_t *n_ids)
{
    double best = bench_once(t, text, n, n_ids);
    for (int i = 1; i < runs; i++) {
        double took = bench_once(t, text, n, n_ids);
        best = took < best ? took : best;
    }
    return best;
}

/* A megabyte of each of these must not take much longer than a megabyte of prose. */
static inline void bench_hostile(const struct tokenizer *t, double prose_ns)
{
    static const struct {
        const char *name, *unit;
        size_t n;
    } units[] = {{"one letter", "a", 1},
                 {"upper case", "A", 1},
                 {"spaces", " ", 1},
                 {"newlines", "\n", 1},
                 {"NULs", "\0", 1},
                 {"digits", "7", 1},
                 {"emoji", "\xF0\x9F\x98\x80", 4},
                 {"invalid bytes", "\xFF", 1},
                 {"apostrophes", "'s", 2},
                 {"combining", "\xCC\x81", 2},
                 {"newline-space", "\n ", 2},
                 {"space-newline", "   \t\r\n", 6},
                 {"letter-space", "a ", 2},
                 {"spaces, letter", "                               a", 32},
                 {"camelCase", "aB", 2},
                 {"ideographs", "\xE4\xB8\x80", 3},
                 {"half a marker", "<|im_", 5},
                 {"bars", "<\xEF\xBD\x9C", 4}};
    size_t n = 1 << 20, n_ids;
    char *text = malloc(n);
    for (size_t u = 0; text && u < sizeof units / sizeof *units; u++) {
        for (size_t i = 0; i < n; i++)
            text[i] = units[u].unit[i % units[u].n];
        double ns = bench_best(t, text, n, 2, &n_ids) * 1e9 / (double)n;
        printf("  1 MiB of %-16s %8.1f ns/byte, %6.2f x prose, %zu ids\n", units[u].name, ns, ns / prose_ns, n_ids);
    }
    free(text);
}

static inline int bench(const char *vocab, const char *path, const char *pre)
{
    struct error err = {0};
    struct gguf *g = NULL;
    struct tokenizer *t = NULL;
    size_t n, n_ids;
    char *text = bench_read(path, &n);
    if (!text || n == 0) {
        printf("%s cannot be read\n", path);
        return 1;
    }
    double begin = bench_clock();
    if (gguf_open(&g, vocab, &err) != 0) {
        printf("%s\n", err.text);
        return 1;
    }
    double opened = bench_clock();
    if (tokenizer_create(&t, g, pre, &err) != 0) {
        printf("%s\n", err.text);
        return 1;
    }
    printf("%s: %d tokens, header read in %.0f ms, vocabulary loaded in %.0f ms, %.1f MiB\n", vocab,
           tokenizer_n_vocab(t), (opened - begin) * 1e3, (bench_clock() - opened) * 1e3,
           (double)tokenizer_bytes(t) * 0x1p-20);
    gguf_close(g);
    double cold = bench_once(t, text, n, &n_ids), warm = bench_best(t, text, n, 7, &n_ids);
    printf("%s: %.2f MB, %zu ids; cold %.1f MB/s, warm %.1f MB/s\n", path, (double)n * 1e-6, n_ids,
           (double)n * 1e-6 / cold, (double)n * 1e-6 / warm);
    bench_hostile(t, warm * 1e9 / (double)n);
    tokenizer_destroy(t);
    free(text);
    return 0;
}

#endif
