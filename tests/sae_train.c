/* links: study machine kernel format base
 *
 * Training autoencoders: a dictionary that was planted is found again, what the definition forbids finds it worse, and the folder has the
 * same bytes for any threads, tier, memory and interruption.
 *
 *     build/tests/sae_train                    all
 *     build/tests/sae_train --write FILE       the planted rows alone, for tests/cli/sae_train.sh
 *
 * The rows are those of shared/steering/plant.py, seed 1: 64 values, 256 true directions of which six make a row. Every number is a
 * function of a counter, and the file's hash is recorded. What of the definition a planted dictionary does not tell has other tests:
 * tests/kernels.c, and the equality of bits here. */
#include "base/error.h"
#include "base/sha256.h"
#include "check.h"
#include "format/sae.h"
#include "study/sae/train.h"
#include "temporary.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { D = 64, TRUE_ROWS = 256, ACTIVE = 6, ROWS = 40000, FEATURES = 512 };
/* The first bytes of the SHA-256 of the file that defined() makes. */
#define WEIGHTS UINT64_C(0xf7fd5ea724cb885f)

static char folder[TEMPORARY_PATH], rows_file[TEMPORARY_PATH + 16];
static float truth[TRUE_ROWS][D];

/* ---- the planted rows ---------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t i)
{
    uint64_t z = (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static double uniform(int stream, uint64_t n)
{
    return (double)(mix((UINT64_C(1) << 48 | (uint64_t)stream << 40) + n) >> 40) * 0x1p-24;
}

static double normal(int stream, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < 12; i++)
        sum += uniform(stream, 12 * n + i);
    return sum - 6;
}

/* Eight sums, added up as a tree: numpy's order. */
static double norm(const double *x)
{
    double r[8] = {0};
    for (int i = 0; i < D; i++)
        r[i % 8] += x[i] * x[i];
    return sqrt(((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7])));
}

static void plant_truth(void)
{
    double x[D];
    for (uint64_t j = 0; j < TRUE_ROWS; j++) {
        for (uint64_t i = 0; i < D; i++)
            x[i] = normal(1, j * D + i);
        double length = norm(x);
        for (int i = 0; i < D; i++)
            truth[j][i] = (float)(x[i] / length);
    }
}

static void plant_row(uint64_t n, float *out)
{
    double x[D];
    for (uint64_t i = 0; i < D; i++)
        x[i] = 0.01 * normal(5, n * D + i) + (double)(float)(0.5 * normal(2, i));
    for (uint64_t k = 0; k < ACTIVE; k++) {
        uint64_t from = k * TRUE_ROWS / ACTIVE, to = (k + 1) * TRUE_ROWS / ACTIVE;
        uint64_t pick = from + (uint64_t)floor(uniform(3, n * ACTIVE + k) * (double)(to - from));
        double by = 1 + uniform(4, n * ACTIVE + k);
        for (int i = 0; i < D; i++)
            x[i] = x[i] + by * (double)truth[pick][i];
    }
    for (int i = 0; i < D; i++)
        out[i] = (float)x[i];
}

static void plant(const char *path)
{
    static const char text[] =
        "{\"resid_post.0\":{\"dtype\":\"F32\",\"shape\":[40000,64],\"data_offsets\":[0,10240000]}}";
    static float x[ROWS][D];
    char header[8 + 120];
    struct sha256 all;
    uint8_t hash[SHA256_BYTES];
    memset(header, ' ', sizeof header);
    for (int i = 0; i < 8; i++)
        header[i] = i ? 0 : (char)(sizeof header - 8);
    memcpy(header + 8, text, sizeof text - 1);
    for (uint64_t n = 0; n < ROWS; n++)
        plant_row(n, x[n]);
    sha256_begin(&all);
    sha256_add(&all, header, sizeof header);
    sha256_add(&all, x, sizeof x);
    sha256_end(&all, hash);
    check(memcmp(hash, "\xa6\xc1\xd8\x2c\x93\xd0\x49\x3a", 8) == 0,
          "the planted rows are others than plant.py's: %02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(header, sizeof header, 1, f) != 1 || fwrite(x, sizeof x, 1, f) != 1 || fclose(f)) {
        printf("FAILED: %s cannot be written\n", path);
        exit(1);
    }
}

/* ---- training ------------------------------------------------------------------------------------------------------------------ */

static struct train_options options(const char *name)
{
    static char path[TEMPORARY_PATH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return (struct train_options){.in = rows_file,
                                  .out = path,
                                  .program = "test",
                                  .layer = -1,
                                  .n_feature = FEATURES,
                                  .k = ACTIVE,
                                  .batch = 1024,
                                  .epochs = 15,
                                  .rate = 3e-3,
                                  .dead = 10000000,
                                  .seed = 1,
                                  .n_threads = 2,
                                  .tier = cpu_best_tier()};
}

static struct train_result train(const struct train_options *o)
{
    struct error err = {0};
    struct train_result r = {0};
    struct train_watch w = {0};
    check(train_sae(o, &w, &r, &err) == 0, "%s: %s", o->out, err.text);
    return r;
}

static void drop(const char *path)
{
    static const char *const names[] = {"sae_weights.safetensors", "cfg.json", "stoker.json", "train.state"};
    char name[TEMPORARY_PATH + 128];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s/%s", path, names[i]);
        remove(name);
    }
    rmdir(path);
}

/* How well the decoder's rows fit the true ones: mean of the largest cosines, share of those from 0.95 on. */
static void compare(const char *path, double *mean, double *share)
{
    struct error err = {0};
    struct sae *s;
    float row[D];
    double best[TRUE_ROWS] = {0};
    *mean = *share = 0;
    check(sae_open(&s, AT_FDCWD, path, NULL, UINT64_MAX, &err) == 0, "%s", err.text);
    if (err.code != ERR_NONE)
        return;
    check(s->form.gate == SAE_TOPK && s->form.k == ACTIVE && s->form.layer == 0 && s->form.is_centred &&
              s->n_feature == FEATURES,
          "%s: another form", path);
    for (int j = 0; j < s->n_feature; j++) {
        double square = 0;
        sae_row(s, &s->decoder, j, row);
        for (int i = 0; i < D; i++)
            square += (double)row[i] * (double)row[i];
        check(fabs(square - 1) < 1e-5, "row %d of the decoder has the square %g", j, square);
        for (int m = 0; m < TRUE_ROWS; m++) {
            double dot = 0;
            for (int i = 0; i < D; i++)
                dot += (double)row[i] * (double)truth[m][i];
            best[m] = dot > best[m] ? dot : best[m];
        }
    }
    sae_close(s);
    for (int m = 0; m < TRUE_ROWS; m++) {
        *mean += best[m] / TRUE_ROWS;
        *share += best[m] >= 0.95 ? 1.0 / TRUE_ROWS : 0;
    }
}

static int found(struct train_options *o, const char *what)
{
    double mean, share;
    struct train_result r = train(o);
    compare(o->out, &mean, &share);
    drop(o->out);
    printf("%s: mean cosine %.4f, %.4f from 0.95 on, FVU %.4f, %d features never\n", what, mean, share, r.fvu,
           r.n_never);
    return mean >= 0.98 && share >= 0.98 && r.fvu <= 0.13;
}

static void planted(void)
{
    char name[40];
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct train_options o = options("seed");
        o.seed = seed;
        snprintf(name, sizeof name, "seed %d", (int)seed);
        check(found(&o, name), "%s does not find the planted dictionary", name);
    }
    struct train_options slow = options("slow"), brief = options("brief"), zero = options("zero");
    slow.out = brief.out = zero.out;
    slow.rate = 3e-4;
    brief.epochs = 2;
    zero.starts_at_zero = 1;
    check(!found(&slow, "a tenth of the rate"), "a tenth of the rate is enough");
    check(!found(&brief, "2 epochs"), "2 epochs are enough");
    check(!found(&zero, "b_dec from 0"), "b_dec from 0 is as good");
}

/* ---- the same bytes -------------------------------------------------------------------------------------------------------------- */

static uint64_t hash_file(const char *path, const char *file)
{
    static char text[1 << 20];
    char name[TEMPORARY_PATH + 128];
    uint8_t sum[SHA256_BYTES];
    uint64_t hash;
    snprintf(name, sizeof name, "%s/%s", path, file);
    FILE *f = fopen(name, "r");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    check(n > 0 && n < sizeof text, "%s is not there, or too large", name);
    if (f)
        fclose(f);
    sha256(text, n, sum);
    memcpy(&hash, sum, sizeof hash);
    return hash;
}

static uint64_t weights_of(const char *path) { return hash_file(path, "sae_weights.safetensors"); }

/* One hash of all files of a folder, which goes. */
static uint64_t bytes_of(const char *path)
{
    uint64_t hash = weights_of(path) * 3 + hash_file(path, "cfg.json") * 5 + hash_file(path, "stoker.json") * 7;
    drop(path);
    return hash;
}

/* A short training in which features die and are used again. */
static struct train_options brief(const char *name)
{
    struct train_options o = options(name);
    o.n_feature = 400;
    o.k = 2;
    o.batch = 500;
    o.epochs = 1;
    o.aux = 0.1;
    o.dead = 500;
    return o;
}

static uint64_t hash_of(const struct train_options *o)
{
    train(o);
    return bytes_of(o->out);
}

/* Two epochs in which features die: the weights as docs/spec/steering.md 12 defines them, every bit. They were also computed by numpy in
 * f64, from the definition alone: no value differs by more than 2e-6 of the largest of its row. */
static void defined(void)
{
    struct train_options o = options("defined");
    o.n_feature = 400;
    o.k = 2;
    o.batch = 1000;
    o.epochs = 2;
    o.aux = 0.1;
    o.dead = 1000;
    o.seed = 3;
    train(&o);
    uint64_t weights = weights_of(o.out);
    check(weights == WEIGHTS, "the weights are %016llx, not as defined", (unsigned long long)weights);
    drop(o.out);
}

static void every_setting(uint64_t want, uint64_t weights)
{
    for (int threads = 1; threads <= 3; threads += 2)
        for (int tier = 0; tier <= (int)cpu_best_tier(); tier++) {
            struct train_options o = brief("settings");
            o.n_threads = threads;
            o.tier = (enum cpu_tier)tier;
            o.memory = threads == 1 ? TRAIN_MEMORY_LEAST : 0;
            check(hash_of(&o) == want, "%d threads, tier %s: other bytes", threads, cpu_tier_name(o.tier));
        }
    struct train_options other = brief("settings");
    other.aux = 0;
    train(&other);
    check(weights_of(other.out) != weights, "dead features change nothing");
    bytes_of(other.out);
    other.aux = 0.1;
    other.seed = 2;
    check(hash_of(&other) != want, "the seed changes nothing");
}

/* Stops behind a batch. */
struct stopper {
    uint64_t at;
    volatile sig_atomic_t stop;
};

static void stop_at(void *arg, const struct train_step *s)
{
    struct stopper *x = arg;
    if (s->step >= x->at)
        x->stop = 1;
}

static void resumed(uint64_t want)
{
    static const uint64_t stops[] = {1, 2, 17, 40, 79, 80};
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        struct train_options o = brief("resumed");
        struct stopper x = {stops[i], 0};
        struct train_watch w = {.progress = stop_at, .arg = &x, .stop = &x.stop};
        struct train_result r = {0};
        struct error err = {0};
        check(train_sae(&o, &w, &r, &err) < 0 && err.code == ERR_CANCELLED && w.is_resumable,
              "stopped behind batch %d: %s", (int)stops[i], err.text);
        check(access(o.out, F_OK) < 0, "%s is there, and not whole", o.out);
        err = (struct error){0};
        w = (struct train_watch){0};
        check(train_sae(&o, &w, &r, &err) < 0 && err.code == ERR_INPUT, "begun again beside a state: %s", err.text);
        o.resume = 1;
        o.k++;
        err = (struct error){0};
        check(train_sae(&o, &w, &r, &err) < 0 && err.code == ERR_INPUT, "resumed with another k: %s", err.text);
        o.k--;
        o.n_threads = 1;
        o.memory = TRAIN_MEMORY_LEAST;
        r = train(&o);
        check(r.resumed == stops[i] && bytes_of(o.out) == want, "resumed behind batch %d: other bytes", (int)r.resumed);
    }
}

/* What tells less than the mean of the rows is no autoencoder, though every number in it is finite. */
static void diverged(void)
{
    struct train_options o = brief("diverged");
    struct train_watch w = {0};
    struct train_result r = {0};
    struct error err = {0};
    o.rate = 3;
    check(train_sae(&o, &w, &r, &err) < 0 && err.code == ERR_INPUT && strstr(err.text, "lower --lr"),
          "a rate of 3: FVU %g, %s", r.fvu, err.text);
    check(access(o.out, F_OK) < 0, "what has diverged is there");
    drop(o.out);
}

int main(int argc, char **argv)
{
    plant_truth();
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        plant(argv[2]);
        return failed != 0;
    }
    if (temporary_folder(folder, "sae-train"))
        return 1;
    snprintf(rows_file, sizeof rows_file, "%s/rows", folder);
    plant(rows_file);
    struct train_options o = brief("first");
    train(&o);
    uint64_t weights = weights_of(o.out), want = bytes_of(o.out);
    defined();
    every_setting(want, weights);
    resumed(want);
    diverged();
    planted();
    remove(rows_file);
    rmdir(folder);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed != 0;
}
