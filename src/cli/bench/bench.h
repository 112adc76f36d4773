/* stoker bench: an engine, tests of its speed, and rows of figures. One thread.
 *
 *   cmd_bench.c   flags, and every combination of their lists
 *   run.c         an engine; a test on it: tokens and seconds
 *   roofs.c       what this machine does at most, and what of that a run is
 *   model.c       what reading and computing would take together at best: the overlap model, streaming.md M
 *   row.c         a row: as a table, CSV, JSON, SQL
 *   picture.c     rows as SVG; picture_file.c: those of a file
 *   mask.c        --mask: constraints, without an engine
 *
 * --against measures two of them by turns: against.h. */
#ifndef CLI_BENCH_BENCH_H
#define CLI_BENCH_BENCH_H

#include "cli/bench/picture.h"
#include "cli/common/steer_flags.h"
#include "eval/bound.h"
#include "stoker.h"

#include <stdio.h>
#include <time.h>

enum { BENCH_RUNS = 100 };

/* One repetition. Statistics are around it alone, without the depth that was computed before. Of generation alone the prompt's steps are in
 * them, but neither in seconds nor in tokens. */
struct bench_run {
    double seconds, tokens;
    int n_prompt, n_answer; /* tokens that were computed: of the prompt, also where it is not timed; of the answer */
    double
        waited; /* seconds without a core (core_wait.h) of the one thread that computed; below 0: not known, or there were several */
    struct stoker_stats before, after;
    struct stoker_stats begun; /* when timing began, or somewhat later: the engine goes on meanwhile */
};

/* Seconds of repetitions, together. */
struct bench_time {
    double all, drive, joins, computing; /* waiting for reads; for other threads; the rest of steps */
    double memory;                       /* of computing, what reading memory at its roof explains; 0 without roofs */
    double joules;                       /* used in it; 0 where nothing counts them */
};

struct bench_test {
    int n_prompt, n_gen, n_depth;        /* tokens: of the prompt, or of a text; of the answer; computed before both */
    double seconds[BENCH_RUNS];          /* [n] */
    double tokens[BENCH_RUNS];           /* [n] that were computed in them */
    double waited[BENCH_RUNS];           /* [n] as in bench_run */
    double model_seconds[BENCH_RUNS];    /* [n] by the overlap model; where there is a disk_rate */
    struct eval_bound bound[BENCH_RUNS]; /* [n] where there are roofs */
    double memory_bytes;                 /* that all [n] read at least */
    struct bench_time time;              /* of all [n] */
    int n;                               /* repetitions that are done */
    time_t begun;                        /* of the first */
    struct stoker_stats sum;             /* of all [n], without what lay between them; the rest as behind the last */
    double counted;                      /* tokens that it is of */
};

struct bench {
    struct stoker *engine; /* NULL: none is open */
    const char *model;
    struct stoker_options options;
    struct steer_flags steer; /* of all requests; its files are open while an engine is */
    struct stoker_plan plan;
    struct stoker_about about;
    int ctx_of_tests;              /* 1: the context is what the tests take, and nobody chose it */
    struct stoker_encoder encoder; /* of a model that pools, whose prompts are texts; zeroed: it generates text */
    int n_texts;                   /* of a request to such a model */
    int runs;                      /* repetitions of a test, at most BENCH_RUNS */
    int n_batch;                   /* the value of -b, which is only shown */
    int warm, cold, stats;         /* 1: a run before the first; a new engine for each; figures of streaming */
    double disk_rate;              /* bytes/s, 0: not given */
    int digest_tokens;             /* of the prompt of --digest; 0: the usual number */
    int no_roofs;                  /* 1: none are measured */
    struct stoker_roofs roofs;     /* measured before the engine was opened; zeroed: they were not */
    const char *text;              /* a file: its tokens instead of random ids; or NULL */
    stoker_token *id;              /* [n_id] of the text */
    size_t n_id;
    int in_order;       /* 1: of the text each repetition has the beginning, as far as it needs */
    const char *schema; /* a file: the text is the answer, under this JSON schema; or NULL */
    const struct stoker_constraint *constraint;
    int draft_coin;            /* per cent of drafts that hold; -1: as they do */
    stoker_token bos;          /* -1: prompts begin without one */
    int shows_chunk, shows_kv; /* columns of the table */
};

/* Opens b->model under b->options and fills in the fields that depend on it. -1 with *err: nothing is open. */
int bench_open(struct bench *b, struct stoker_error *err);
void bench_close(struct bench *b);

/* Measures b->roofs, with no engine open: memory, cores, and the drive where experts come from it. -1 with *err. */
int bench_measure_roofs(struct bench *b, struct stoker_error *err);

/* The same again, behind the rows: a warning on stderr where a roof is another one by now, or where that is not known. */
void bench_check_roofs(struct bench *b);

/* That warning, of two measurements. side: "A" or "B" of a comparison, or NULL. */
void bench_tell_move(const char *side, const struct stoker_roofs *first, const struct stoker_roofs *last);

/* What is between run->begun and run->after, times this, is what steps that are timed took. */
double bench_timed_share(const struct bench *b, const struct bench_test *t, const struct bench_run *run);

/* Adds a repetition to t->bound and t->time, which t->n of are there already. */
void bench_account(const struct bench *b, struct bench_test *t, const struct bench_run *run);

/* All repetitions of a test, into t's arrays. progress: what is printed on stderr before each, with the time that this test's others take;
 * NULL: nothing. -1 with *err. */
int bench_test(struct bench *b, struct bench_test *t, const char *progress, struct stoker_error *err);

/* The ids [n] of a run: the first `same` are those of every repetition, the others those of this number. */
void bench_ids(const struct bench *b, stoker_token *id, size_t n, size_t same, uint64_t number);

/* Texts [b->n_texts] of n tokens each become vectors, in one request: out, as in struct stoker_embed. id: the ids, text after text. -1 with
 * *err. */
int bench_embed(struct bench *b, const stoker_token *id, size_t n, float *out, struct stoker_error *err);

/* Writes a line of JSON with hashes of what the open engine computes. -1 with *err. */
int bench_digest(struct bench *b, FILE *f, struct stoker_error *err);

/* Of value [n], n at least 1, which is sorted on the way: p10 and p90 leave a tenth of the values below and above. */
struct bench_spread {
    double mean, deviation, median, p10, p90;
};
struct bench_spread bench_spread_of(double *value, int n);

/* "pp512", "tg128", "pp512+tg64", " @ d4096" behind it. */
void bench_name_test(int n_prompt, int n_gen, int n_depth, char *out, size_t cap);

/* Seconds of the decode steps between two readings of an engine's statistics, by the overlap model. disk_rate: bytes/s. */
double bench_model_seconds(const struct stoker_stats *before, const struct stoker_stats *after, double disk_rate);

/* Where rows go. bench_begin() once an engine, bench_row() once a test, bench_end() once. */
struct bench_output {
    FILE *file; /* the caller's; NULL: nowhere */
    const char *format;
    int rows;    /* written so far */
    FILE *notes; /* of md: what stands below the table; NULL: nothing yet */
    char *note;  /* [n_note] behind fflush(notes) */
    size_t n_note;
    struct bench_points points; /* of svg, which is written at the end */
};
int bench_format_known(const char *format); /* 1: md, csv, json, jsonl, sql, svg */
void bench_row(struct bench_output *o, const struct bench *b, const struct bench_test *t);
void bench_end(struct bench_output *o);
/* md: a line about the engine that was opened, and the table's head before the first row; lines about further engines and of tests stand
 * below the table, which they would break. Others: nothing. */
void bench_begin(struct bench_output *o, const struct bench *b);

/* stoker bench --draw PATH: rows of earlier runs as a picture on stdout. Returns the exit status. */
int bench_draw(const char *path);

/* stoker bench --mask PATH. format: "md" or "json". Returns the exit status. */
int bench_mask(const char *model, const char *path, const char *format);

#endif
