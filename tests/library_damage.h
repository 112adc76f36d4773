/* Vectors whose writer was killed, and vectors that are damaged (tests/library.c). */
#ifndef TESTS_LIBRARY_DAMAGE_H
#define TESTS_LIBRARY_DAMAGE_H

#include "library_vectors.h"

#include <sys/stat.h>

/* A writer that was killed: bytes behind what was committed, which the next one writes over; the result is that of one that was not. */
static inline void resumed_test(const json_t *docs)
{
    static struct corpus whole, killed;
    struct source_vectors v;
    struct segment segment;
    struct error err = {0};
    const int64_t chunk = 22;
    corpus_make(&whole, docs, 1);
    corpus_make(&killed, docs, 1);
    corpus_vectors(&whole);
    v = begin_vectors(&killed, 0);
    add_vectors(&killed, 0, &v, 3 * BLOCK);
    source_vectors_open(killed.list[0], &v, 1, &segment, &err);
    expect(segment_append(&segment, &chunk, doc_vector[7], 1, &err) == 0, "%s", err.text);
    segment_close(&segment);
    expect(source_vectors_read(killed.list[0], &v, &err) == 0 && v.n_row == 3 * BLOCK && v.last == 3 * BLOCK,
           "%lld rows", (long long)v.n_row);
    add_vectors(&killed, 0, &v, N_DOC);
    for (int q = 0; q < N_QUERY; q++) {
        struct best a = nearest(&whole, q, N_DOC, TIER_SCALAR), b = nearest(&killed, q, N_DOC, TIER_SCALAR);
        expect_same(&whole, &a, &killed, &b, "a writer that was killed");
        best_free(&a);
        best_free(&b);
    }
    verdict("vectors, resumed", "bytes that were not committed are written over");
    corpus_vectors_free(&whole);
    corpus_vectors_free(&killed);
}

/* 0: its vectors are whole. *err has the sentence else. */
static inline int check_source(struct source *s, struct error *err)
{
    struct source_vectors v;
    struct segment segment;
    *err = (struct error){0};
    if (source_vectors_read(s, &v, err) || source_vectors_open(s, &v, 0, &segment, err))
        return -1;
    int state = segment_check(&segment, err);
    segment_close(&segment);
    return state;
}

static inline void damage_test(const json_t *docs)
{
    static struct corpus c;
    struct source_vectors v;
    struct error err = {0};
    char path[2 * TEMPORARY_PATH];
    corpus_make(&c, docs, 1);
    v = begin_vectors(&c, 0);
    add_vectors(&c, 0, &v, BLOCK + 1);
    segment_path(&c, path);
    int fd = open(path, O_RDWR);
    struct stat st;
    expect(fd >= 0 && fstat(fd, &st) == 0 && st.st_size == v.about.bytes, "%s has other bytes", path);
    for (off_t at = 0; at < st.st_size; at += at == 39 ? SEGMENT_HEAD - 39 : 1) {
        flip(fd, at);
        expect(check_source(c.list[0], &err) == -1 && strncmp(err.text, "a: its vectors are damaged at byte ", 35) == 0,
               "byte %lld: %s", (long long)at, err.text);
        flip(fd, at);
    }
    expect(check_source(c.list[0], &err) == 0, "%s", err.text);
    const struct search_vector query = vector_of(0, TIER_SCALAR);
    flip(fd, st.st_size - 1); /* in its last block: what was read before that counts for nothing */
    check_words_alone(&c, &query, "a: its vectors are damaged at byte ");
    flip(fd, st.st_size - 1);
    for (off_t size = st.st_size - 1; size >= 0; size -= size > 1000 ? 997 : 1) {
        expect(ftruncate(fd, size) == 0 && check_source(c.list[0], &err) == -1 && strstr(err.text, "were cut") != NULL,
               "%lld bytes: %s", (long long)size, err.text);
    }
    close(fd);
    unlink(path);
    check_words_alone(&c, &query, "a: its vectors cannot be read, ");
    expect(mkfifo(path, 0600) == 0, "%s", path);
    check_words_alone(&c, &query, "a: its vectors were cut");
    unlink(path);
    static const int widths[] = {-1, 0, SEGMENT_WIDTH_MOST + 1, INT32_MAX};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        struct segment segment;
        v.about.width = widths[i];
        err = (struct error){0};
        expect(source_vectors_open(c.list[0], &v, 0, &segment, &err) == -1 && strstr(err.text, "damaged at byte 0"),
               "width %d: %s", widths[i], err.text);
    }
    verdict("vectors, damaged", "every byte, every length, no file, a pipe: a sentence, and words answer");
    corpus_vectors_free(&c);
}

static inline void damage_tests(const char *dir)
{
    char folder[512];
    snprintf(folder, sizeof folder, "%s/retrieval", dir);
    json_t *docs = load_lines(folder, "docs.jsonl");
    load_vectors(folder);
    resumed_test(docs);
    damage_test(docs);
    json_decref(docs);
}

#endif
