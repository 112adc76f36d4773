/* links: engine text model store op machine kernel format base
 *
 * What a sequence keeps can be put away and taken up again: the positions after it have the same bits.
 *
 *     build/tests/state [MODEL.gguf...]                       all; a line a test and model
 *     build/tests/state --continue MODEL KV EXACT FOLDER      what the test starts: in a fresh process load each file of FOLDER, go on
 *
 *     saved      a sequence is saved at every token (of long ones around pages and windows); a process of its own, with another
 *                budget, chunk and number of threads, loads each file and computes the rest. Between two files it computes other ids: where
 *                a file has nothing there would be something of these, and not of the file before
 *     hostile    files cut off at every byte, with flipped bits, of another model, other ids, another type: a sentence, and the
 *                sequence is empty
 *
 * Models: the embedded one, and the goldens whose architecture stoker has; under sanitizers those of expected_lawful(). */
#include "expected.h"
#include "laws_run.h"
#include "seq_file.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

static int passed, failed;
static char dir[64] = "/tmp/stoker-state-XXXXXX"; /* of this run */
static const char *self;

static void verdict(const char *test, const char *name, int ok, const char *detail)
{
    printf("%s %-8s %-22s %s\n", ok ? "ok  " : "FAIL", test, name, detail);
    fflush(stdout);
    *(ok ? &passed : &failed) += 1;
}

static int __attribute__((format(printf, 1, 2))) complain(const char *format, ...)
{
    va_list args;
    printf("     ");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return 0;
}

static const char *in_dir(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

/* What came after position n: one number. */
static uint64_t rest_of(const struct line *l, int n)
{
    return hash64(l->hash + n, (size_t)(l->n_ids - n) * sizeof *l->hash, 0);
}

static int go_on(struct session *s, struct line *l, int chunk, struct error *err)
{
    struct error row_error = {0};
    while (line_runs(l))
        if (run_step(s, l, 1, &chunk, &row_error, err))
            return -1;
    if (l->dead)
        *err = row_error;
    return l->dead ? -1 : 0;
}

/* ---- saved, and taken up by another process --------------------------------------------------------------------------------- */

static const char *saved_at(int n_pos)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/saved.%d", dir, n_pos);
    return path;
}

/* What comes after the saved positions is in l. */
static int continue_file(struct session *s, struct line *l, int fd, int chunk, struct error *err)
{
    if (seq_load(&s->tables.seq[0], s->model, l->id, l->n_ids, fd, err))
        return -1;
    line_again(l);
    l->at = s->tables.seq[0].n_pos;
    return go_on(s, l, chunk, err);
}

/* In a process of its own: a line for each file, its positions and the hash of what comes after them. */
static int child(char **arg)
{
    const struct setting how = {.kv = (enum kv_type)atoi(arg[1]),
                                .exact = atoi(arg[2]),
                                .tier = cpu_best_tier(),
                                .threads = 1,
                                .chunk = 7,
                                .n_ctx = MOST_IDS};
    struct error err = {0};
    struct line truth, l, other = {0};
    snprintf(dir, sizeof dir, "%s", arg[3]);
    FILE *ids = fopen(in_dir("ids"), "rb");
    int ok = ids && fread(&truth, sizeof truth, 1, ids) == 1;
    struct session *s = ok ? open_session(arg[0], &how, &err) : NULL;
    ok = s != NULL;
    if (ok)
        line_make(&other, 1, truth.n_prompt, s->model->p.n_vocab);
    for (int n = 1; ok && n < truth.n_ids; n++) {
        int fd = open(saved_at(n), O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        l = truth;
        ok = continue_file(s, &l, fd, how.chunk, &err) == 0;
        if (ok)
            printf("%d %016llx\n", n, (unsigned long long)rest_of(&l, n));
        ok = ok && run_alone(s, &other, how.chunk, &err) == 0;
        close(fd);
    }
    if (!ok)
        printf("%s\n", err.code ? err.text : "the files of the test cannot be read");
    session_close(s);
    return !ok;
}

/* Of n_file files of the line. */
static int child_agrees(const char *path, const struct setting *how, const struct line *l, int n_file)
{
    char command[1000], text[500];
    int n_pos, n = 0, ok = 1;
    unsigned long long rest;
    snprintf(command, sizeof command, "exec '%s' --continue '%s' %d %d '%s'", self, path, (int)how->kv, how->exact,
             dir);
    FILE *f = popen(command, "r");
    for (; f && ok && fgets(text, sizeof text, f); n++) {
        text[strcspn(text, "\n")] = 0;
        if (sscanf(text, "%d %llx", &n_pos, &rest) != 2)
            ok = complain("%s: %s", describe(how), text);
        else if (rest != rest_of(l, n_pos))
            ok = complain("%s, saved at %d of %d: other bits", describe(how), n_pos, l->n_ids);
    }
    int status = f ? pclose(f) : -1;
    return ok && (status == 0 && n == n_file ? 1 : complain("%s: %d of %d files", describe(how), n, n_file));
}

static int save_to(const struct session *s, const struct line *l, const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    int failed_save = seq_save(&s->tables.seq[0], s->model, l->id, fd, err);
    close(fd);
    return failed_save;
}

/* Long lines are saved where pages begin and where windows leave pages. */
static int worth_saving(const struct line *l, int n_pos, int step)
{
    static const int places[] = {1, 2, 17, 128, 255, 256, 257, 266, 267, 268, 299, 300, 301, 305};
    if (l->n_ids < 100)
        return n_pos % step == 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i] == n_pos)
            return 1;
    return 0;
}

/* Saves it at every step-th position while it computes. */
static int save_each(struct session *s, struct line *l, int step, int *n, struct error *err)
{
    int one = 1;
    start_again(s, l, 1);
    while (line_runs(l)) {
        struct error row_error = {0};
        if (run_step(s, l, 1, &one, &row_error, err))
            return -1;
        if (!line_runs(l) || !worth_saving(l, l->at, step))
            continue;
        if (save_to(s, l, saved_at(l->at), err))
            return -1;
        ++*n;
    }
    return 0;
}

static int saved_once(const char *path, const struct setting *how, int n_prompt, int step, int *n)
{
    struct error err = {0};
    struct line truth, l;
    int n_file = 0;
    struct session *s = open_session(path, how, &err);
    if (!s)
        return complain("%s", err.text);
    line_make(&truth, 0, n_prompt, s->model->p.n_vocab);
    int ok = run_alone(s, &truth, how->chunk, &err) == 0;
    FILE *ids = fopen(in_dir("ids"), "wb");
    ok = ids && fwrite(&truth, sizeof truth, 1, ids) == 1 && fclose(ids) == 0 && ok;
    l = truth;
    ok = ok && save_each(s, &l, step, &n_file, &err) == 0 ? child_agrees(path, how, &truth, n_file)
                                                          : complain("%s", err.text);
    for (int at = 1; at < truth.n_ids; at++)
        unlink(saved_at(at));
    session_close(s);
    *n += n_file;
    return ok && (line_differs(&truth, &l) < 0 || complain("saving changed the saved sequence"));
}

static void saved(const char *path, const char *name)
{
    struct setting how = {.tier = cpu_best_tier(), .threads = 2, .chunk = 300, .budget = 100, .n_ctx = MOST_IDS};
    int is_long = strstr(name, "-long") != NULL, n = 0;
    int ok = saved_once(path, &how, is_long ? 300 : 24, 1, &n);
    how.kv = KV_F32;
    how.exact = 1;
    ok = saved_once(path, &how, is_long ? 300 : 24, 7, &n) && ok;
    how.kv = KV_Q8_0;
    how.exact = 0;
    ok = saved_once(path, &how, is_long ? 300 : 24, is_long ? 1 : 5, &n) && ok;
    char detail[40];
    snprintf(detail, sizeof detail, "%d files", n);
    verdict("saved", name, ok, detail);
}

/* ---- hostile files ---------------------------------------------------------------------------------------------------------- */

static int is_empty(const struct session *s)
{
    const struct sequence *seq = &s->tables.seq[0];
    int held = seq->n_pos;
    for (int k = 0; k < KV_KINDS; k++)
        held += seq->n_page[k] - seq->first_page[k] + s->model->kv[k].n_page - s->model->kv[k].n_free;
    for (size_t i = 0; i < seq->state_bytes; i++)
        held |= seq->state[i];
    return held == 0;
}

/* The file is refused with one sentence that holds the words, and nothing is left of it. */
static int refused(struct session *s, const int32_t *ids, int n_ids, int fd, const char *words)
{
    struct error err = {0};
    lseek(fd, 0, SEEK_SET);
    if (seq_load(&s->tables.seq[0], s->model, ids, n_ids, fd, &err) == 0)
        return complain("taken: should be refused for %s", words);
    if (err.code == ERR_NONE || err.code == ERR_BUG || strlen(err.text) < 20 || !strstr(err.text, words))
        return complain("the sentence has no \"%s\": %s", words, err.text);
    return is_empty(s) || complain("something is left after: %s", err.text);
}

static int cuts_and_flips(struct session *s, const struct line *l, int fd, int *n)
{
    enum { CUTS = 3000, FLIPS = 1000 };
    int ok = 1, copy = memfd_create("damaged", 0);
    off_t size = lseek(fd, 0, SEEK_END), step = size / CUTS + 1;
    uint8_t *bytes = malloc((size_t)size);
    ok = copy >= 0 && pread(fd, bytes, (size_t)size, 0) == size && write(copy, bytes, (size_t)size) == size;
    for (int i = 0; ok && i < FLIPS; i++, ++*n) {
        uint64_t r = rng_u64(6, (uint64_t)i, 1, 1);
        off_t at = (off_t)(r % (i % 4 ? (uint64_t)size : 256)); /* every fourth in the header */
        uint8_t bad = bytes[at] ^ (uint8_t)(1 << (r >> 60 & 7));
        ok = pwrite(copy, &bad, 1, at) == 1 && refused(s, l->id, l->n_ids, copy, "saved sequence");
        ok = pwrite(copy, bytes + at, 1, at) == 1 && ok;
    }
    for (off_t end = size - 1; ok && end >= 0; end -= end < 600 || size - end < 600 ? 1 : step, ++*n)
        ok = ftruncate(copy, end) == 0 && refused(s, l->id, l->n_ids, copy, "cut off");
    free(bytes);
    close(copy);
    return ok;
}

/* Wrong values in a header whose checksum is right: each is found before the content is read. */
static int of_others(struct session *s, const char *path, const struct line *l, int fd)
{
    const char *ember = "models/ember/ember.gguf", *golden = TEST_DATA "/golden/llama-tied.gguf";
    const char *other_path = strcmp(path, ember) == 0 ? golden : ember;
    struct setting how = {.tier = cpu_best_tier(), .threads = 1, .chunk = 8, .budget = 100, .n_ctx = MOST_IDS};
    struct error err = {0};
    int32_t ids[MOST_IDS];
    memcpy(ids, l->id, sizeof ids);
    ids[3] ^= 1;
    int ok = refused(s, ids, l->n_ids, fd, "other ids") && refused(s, l->id, 3, fd, "other ids");
    for (int i = 0; i < 4; i++) {
        static const char *const words[] = {"another model", "--kv f16", "--exact", "--kv f16"};
        if (i % 2 && !s->plan.kv_bytes) /* states alone */
            continue;
        how.kv = i == 1 ? KV_F32 : i == 3 ? KV_Q8_0 : KV_F16;
        how.exact = i == 2;
        struct session *other = open_session(i == 0 ? other_path : path, &how, &err);
        ok = other && refused(other, l->id, l->n_ids, fd, words[i]) && ok;
        session_close(other);
    }
    if (model_has_long_rope(s->model, 0)) { /* a shorter context has other angles */
        how = (struct setting){
            .tier = how.tier, .threads = 1, .chunk = 8, .budget = 100, .n_ctx = s->model->p.rope[0].n_orig};
        struct session *other = open_session(path, &how, &err);
        ok = other && !model_has_long_rope(other->model, 0) && refused(other, l->id, l->n_ids, fd, "another model") &&
             ok;
        session_close(other);
    }
    return ok;
}

static void hostile(const char *path, const char *name)
{
    struct setting how = {.tier = cpu_best_tier(), .threads = 1, .chunk = 20, .budget = 100, .n_ctx = MOST_IDS};
    struct error err = {0};
    struct line truth, l;
    int n = 0, at = 20;
    struct session *s = open_session(path, &how, &err);
    if (!s) {
        verdict("hostile", name, 0, err.text);
        return;
    }
    line_make(&truth, 0, at, s->model->p.n_vocab);
    int ok = run_alone(s, &truth, how.chunk, &err) == 0;
    l = truth;
    start_again(s, &l, 1);
    ok = ok && run_step(s, &l, 1, &at, &err, &err) == 0;
    ok = ok && save_to(s, &l, in_dir("saved"), &err) == 0;
    int fd = open(in_dir("saved"), O_RDONLY);
    ok = ok && cuts_and_flips(s, &truth, fd, &n) && of_others(s, path, &truth, fd);
    lseek(fd, 0, SEEK_SET);
    if (ok && (seq_load(&s->tables.seq[0], s->model, l.id, l.n_ids, fd, &err) || go_on(s, &l, 1, &err)))
        ok = complain("the sound file: %s", err.text);
    ok = ok && (line_differs(&truth, &l) < 0 || complain("the sound file gives other bits"));
    close(fd);
    session_close(s);
    char detail[80];
    snprintf(detail, sizeof detail, "%d damaged files, and files of others", n);
    verdict("hostile", name, ok, ok ? detail : err.text);
}

/* ---- all -------------------------------------------------------------------------------------------------------------------- */

static int known_arch(const char *path)
{
    struct gguf *g;
    struct error err = {0};
    struct gguf_string arch = {"", 0};
    if (gguf_open(&g, path, &err))
        return 1; /* the tests will say why */
    int known = gguf_str(g, "general.architecture", &arch, &err) == 1 && arch_by_name(arch.text);
    gguf_close(g);
    return known;
}

static void run_model(const char *path)
{
    char name[64];
    const char *slash = strrchr(path, '/');
    snprintf(name, sizeof name, "%.*s", (int)strcspn(slash ? slash + 1 : path, "."), slash ? slash + 1 : path);
    if (!known_arch(path) || (SANITIZED && expected_in(expected_lawful(), name) < 0))
        return;
    saved(path, name);
    if (strstr(name, "-long") && strcmp(name, "phi3-long") != 0) /* more text alone, but for phi3's other angles */
        return;
    hostile(path, name);
}

int main(int argc, char **argv)
{
    char command[100];
    glob_t found = {0};
    self = argv[0];
    if (argc == 6 && strcmp(argv[1], "--continue") == 0)
        return child(argv + 2);
    if (!mkdtemp(dir)) {
        printf("no folder for temporary files\n");
        return 1;
    }
    for (int i = 1; i < argc; i++)
        run_model(argv[i]);
    if (argc == 1) {
        glob("models/ember/ember.gguf", 0, NULL, &found);
        glob(TEST_DATA "/golden/*.gguf", GLOB_APPEND, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc; i++)
            run_model(found.gl_pathv[i]);
        globfree(&found);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    if (system(command) != 0)
        printf("%s failed\n", command);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
