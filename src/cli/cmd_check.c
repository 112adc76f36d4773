/* stoker check: is a model's file whole? Its structure, the scales of its blocks, and its hash where one is known. Read once, at the
 * drive's rate: while bytes are hashed and looked at, the next ones are read. */
#include "cli/check/known_hash.h"
#include "cli/check/tensors.h"
#include "cli/common/cli.h"
#include "cli/common/flags.h"
#include "cli/common/progress.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/io/ahead.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static const char usage[] =
    "stoker check MODEL.gguf [flags]: is the file whole? Reads all of it, once.\n\n"
    "  stoker check MODEL.gguf                 structure, scales of all blocks, XXH3 and SHA-256\n"
    "  stoker check MODEL.gguf --sha256 HASH   and compares with the hash that its publisher names\n"
    "  stoker check MODEL-00001-of-00003.gguf  all parts of a split model\n\n"
    "A hash is also found in MODEL.gguf.sha256 and in SHA256SUMS beside the file, and in the names of download caches. "
    "Without one, damage\n"
    "that leaves every scale a number cannot be seen. Exit status: 0 nothing found, 1 damaged.\n\n";

struct outcome { /* of one file */
    uint8_t sha256[SHA256_BYTES], known[SHA256_BYTES];
    uint64_t xxh3, size;
    char name[4096]; /* its path, as it can be shown */
    double seconds;
    char source[80]; /* of the known hash */
    int is_known;
};

static void show_hash(char out[2 * SHA256_BYTES + 1], const uint8_t *hash)
{
    for (int i = 0; i < SHA256_BYTES; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------ */

/* All bytes of f, hashed and looked at; done: bytes of the parts before. */
static int pass(const struct gguf_file *f, struct tensor_check *c, struct outcome *o, struct progress *shown,
                uint64_t done, uint64_t total, struct error *err)
{
    struct ahead *a = NULL;
    struct sha256 sha;
    struct hash_stream *xxh3 = hash_begin();
    uint8_t *data;
    size_t n = 0;
    if (!xxh3)
        return error_set(err, ERR_MEMORY, "no memory for a hash");
    sha256_begin(&sha);
    const struct ahead_range all = {.fd = f->fd, .name = f->path, .end = UINT64_MAX, .piece = 1 << 20, .is_large = 1};
    int failed = ahead_open(&a, &all, err);
    while (!failed && !(failed = ahead_next(a, &data, &n, err)) && n) {
        hash_add(xxh3, data, n);
        sha256_add(&sha, data, n);
        tensor_check_add(c, data, n);
        o->size += n;
        progress_show(shown, done + o->size, total);
    }
    ahead_close(a);
    o->xxh3 = hash_end(xxh3);
    sha256_end(&sha, o->sha256);
    if (!failed && o->size != f->size)
        failed = error_set(err, ERR_IO, "%s: %" PRIu64 " bytes were read of %" PRIu64 "; it was written to meanwhile",
                           o->name, o->size, f->size);
    return failed;
}

static int is_damaged(const struct tensor_check *c, const struct outcome *o)
{
    return c->n_bad || (o->is_known && memcmp(o->known, o->sha256, SHA256_BYTES) != 0);
}

/* ---- telling ------------------------------------------------------------------------------------------------------------------- */

static void print_bad(const struct tensor_check *c)
{
    for (uint64_t i = 0; i < c->n_bad && i < BAD_MOST; i++) {
        const struct gguf_tensor *t = c->bad[i].tensor;
        printf("  damaged  %s: block %" PRIu64 ", at byte %" PRIu64 ", has a scale that is no number\n", t->name,
               c->bad[i].block, t->offset + c->bad[i].block * (uint64_t)type_info(t->type)->bytes);
    }
    if (c->n_bad > BAD_MOST)
        printf("  damaged  %" PRIu64 " more tensors\n", c->n_bad - BAD_MOST);
}

static void print_file(const struct tensor_check *c, const struct outcome *o)
{
    char sha[2 * SHA256_BYTES + 1], known[2 * SHA256_BYTES + 1];
    show_hash(sha, o->sha256);
    show_hash(known, o->known);
    printf("%s: %s read in %.1f s, %.2f GB/s\n", o->name, show_bytes(o->size), o->seconds,
           o->seconds > 0 ? (double)o->size / o->seconds / 1e9 : 0);
    printf("  xxh3     %016" PRIx64 "\n  sha256   %s\n", o->xxh3, sha);
    print_bad(c);
    if (!c->n_bad)
        printf("  scales   of %" PRIu64 " tensors: all are numbers\n", c->n);
    if (!o->is_known)
        printf("  no hash of this file is known: damage that leaves every scale a number is not seen; compare sha256 "
               "with its publisher's\n");
    else if (memcmp(o->known, o->sha256, SHA256_BYTES) == 0)
        printf("  whole    sha256 is that of %s\n", o->source);
    else
        printf("  damaged  sha256 is not that of %s, %s; get the file again\n", o->source, known);
}

static json_t *json_file(const struct tensor_check *c, const struct outcome *o)
{
    char sha[2 * SHA256_BYTES + 1], known[2 * SHA256_BYTES + 1], xxh3[17];
    json_t *bad = json_array();
    show_hash(sha, o->sha256);
    show_hash(known, o->known);
    snprintf(xxh3, sizeof xxh3, "%016" PRIx64, o->xxh3);
    for (uint64_t i = 0; i < c->n_bad && i < BAD_MOST; i++)
        json_array_append_new(bad,
                              json_pack("{s:s, s:s, s:I}", "tensor", c->bad[i].tensor->name, "type",
                                        type_info(c->bad[i].tensor->type)->name, "block", (json_int_t)c->bad[i].block));
    return json_pack("{s:s, s:I, s:f, s:s, s:s, s:s?, s:s?, s:I, s:I, s:o, s:b}", "path", o->name, "bytes",
                     (json_int_t)o->size, "seconds", o->seconds, "xxh3", xxh3, "sha256", sha, "known_sha256",
                     o->is_known ? known : NULL, "known_from", o->is_known ? o->source : NULL, "tensors",
                     (json_int_t)c->n, "damaged_tensors", (json_int_t)c->n_bad, "damaged", bad, "is_damaged",
                     is_damaged(c, o));
}

/* ---- the command --------------------------------------------------------------------------------------------------------------- */

/* Part i of g. Adds it to rows, or prints it. *damaged is set where it is. */
static int check_file(const struct gguf *g, int i, const char *sha256, json_t *rows, struct progress *shown,
                      int *damaged, struct error *err)
{
    const struct gguf_file *f = &g->file[i];
    struct outcome o = {.is_known = 0};
    struct tensor_check c;
    uint64_t done = 0, total = 0;
    for (int k = 0; k < g->n_file; k++) {
        done += k < i ? g->file[k].size : 0;
        total += g->file[k].size;
    }
    snprintf(o.name, sizeof o.name, "%s", f->path);
    utf8_make_plain(o.name);
    if (tensor_check_begin(&c, g, i, err))
        return -1;
    double began = clock_seconds();
    int failed = pass(f, &c, &o, shown, done, total, err);
    o.seconds = clock_seconds() - began;
    if (sha256) {
        o.is_known = hash_read(sha256, o.known);
        snprintf(o.source, sizeof o.source, "--sha256");
    } else {
        o.is_known = known_hash(f->path, o.known, o.source, sizeof o.source);
    }
    if (!failed) {
        progress_end(shown);
        *damaged |= is_damaged(&c, &o);
        if (rows)
            failed = json_array_append_new(rows, json_file(&c, &o))
                         ? error_set(err, ERR_MEMORY, "no memory for what was found")
                         : 0;
        else
            print_file(&c, &o);
    }
    tensor_check_end(&c);
    return failed;
}

static int check_all(const char *path, const char *sha256, int json)
{
    struct error err = {0};
    struct gguf *g;
    struct progress shown;
    json_t *rows = json ? json_array() : NULL;
    int damaged = 0, failed = gguf_open(&g, path, &err);
    if (!failed && sha256 && g->n_file > 1)
        failed = error_set(
            &err, ERR_INPUT,
            "--sha256 is of one file, and this model has %d; put their hashes into SHA256SUMS beside them", g->n_file);
    progress_begin(&shown, "checking", PROGRESS_BYTES, 0);
    for (int i = 0; !failed && i < g->n_file; i++)
        failed = check_file(g, i, sha256, rows, &shown, &damaged, &err);
    progress_end(&shown);
    if (rows && !failed) {
        json_dumpf(rows, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
    }
    json_decref(rows);
    gguf_close(g);
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    return failed ? err.code == ERR_INPUT ? 2 : 1 : damaged;
}

int cmd_check(int argc, char **argv)
{
    int json = 0, n_rest;
    const char *path = NULL, *sha256 = NULL;
    uint8_t hash[SHA256_BYTES];
    const struct flag mine[] = {
        {"--sha256", NULL, FLAG_TEXT, &sha256, 0, 0, "HASH", "what the SHA-256 of the file should be"},
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs"},
    };
    const struct flag_table tables[] = {{mine, 2}};
    int status = flags_parse("check", usage, tables, 1, argc, argv, &path, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (!path) {
        fprintf(stderr, "stoker check: name a MODEL.gguf; see stoker check --help\n");
        return 2;
    }
    if (sha256 && !hash_read(sha256, hash)) {
        fprintf(stderr, "stoker check: --sha256 wants 64 hexadecimal digits\n");
        return 2;
    }
    return check_all(path, sha256, json);
}
