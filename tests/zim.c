/* links: library base
 *
 * The reader of ZIM archives against listings that an independent writer made (library.md 9), and against archives that are damaged.
 *
 *     zim DIR      build/data/library/zim; the README of tests/data tells what is there
 *
 * Of a good archive every entry, by its number and by its path, with the SHA-256 of its content. Of a damaged one what its row of
 * INDEX.json asks for. And every prefix of plain.zim, and every bit of its first 200 bytes and of its lists turned: with a checksum
 * that is asked for no content but the true one is ever given out; without, everything ends, inside its memory. */
#include "library/zim/zim.h"
#include "base/error.h"
#include "base/sha256.h"
#include "temporary.h"
#include "test_lines.h"
#include "zim_changing.h"

#include <jansson.h>
#include <string.h>
#include <sys/resource.h>

enum { MOST = 128 << 20 };

static struct zim_entry entry, found;

static void hex(char *out, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static json_t *load(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    json_t *v = json_load_file(path, 0, NULL);
    expect(v != NULL, "%s cannot be read", path);
    return v;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static long long number(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_integer(v) ? json_integer_value(v) : -1;
}

/* ---- good archives ---------------------------------------- */

static int is_content(struct zim *z, const struct zim_entry *e, const json_t *want)
{
    struct error err = {0};
    uint8_t digest[SHA256_BYTES];
    char shown[2 * SHA256_BYTES + 1];
    const uint8_t *data;
    size_t n;
    if (zim_blob(z, e, MOST, &data, &n, &err)) {
        expect(0, "entry %u: %s", e->index, err.text);
        return 0;
    }
    sha256(data, n, digest);
    hex(shown, digest, sizeof digest);
    return (long long)n == number(want, "size") && strcmp(shown, text_of(want, "sha256")) == 0;
}

static void compare_entry(struct zim *z, const json_t *want)
{
    struct error err = {0};
    uint32_t i = (uint32_t)number(want, "i");
    expect(zim_entry(z, i, &entry, &err) == 0, "entry %u: %s", i, err.text);
    expect(entry.namespace == *text_of(want, "ns") && strcmp(entry.path, text_of(want, "path")) == 0 &&
               strcmp(entry.title, text_of(want, "title")) == 0,
           "entry %u is %c/%s, not %s/%s", i, entry.namespace, entry.path, text_of(want, "ns"), text_of(want, "path"));
    expect(zim_find(z, *text_of(want, "ns"), text_of(want, "path"), &found) && found.index == i,
           "entry %u is not found by its path", i);
    if (json_object_get(want, "redirect")) {
        long long to = number(want, "resolves");
        expect(entry.kind == ZIM_REDIRECT && entry.target == number(want, "redirect"), "entry %u: another redirect", i);
        int wrong = zim_resolve(z, &entry, &err);
        expect(wrong ? to < 0 : entry.index == to, "entry %u leads to %u, not %lld", i, wrong ? 0 : entry.index, to);
    } else if (json_object_get(want, "dead")) {
        expect(entry.kind == ZIM_NOTHING, "entry %u: not dead", i);
    } else {
        expect(entry.kind == ZIM_CONTENT && strcmp(entry.mime, text_of(want, "mime")) == 0 &&
                   entry.cluster == number(want, "cluster") && entry.blob == number(want, "blob"),
               "entry %u: another place or type", i);
        expect(is_content(z, &entry, want), "entry %u: other content", i);
        expect(is_content(z, &found, want), "entry %u: other content by its path", i);
    }
}

static void compare_head(struct zim *z, const json_t *want)
{
    const struct zim_about *a = zim_about(z);
    char uuid[33];
    hex(uuid, a->uuid, sizeof a->uuid);
    expect(a->major == number(want, "major") && a->minor == number(want, "minor") &&
               strcmp(uuid, text_of(want, "uuid")) == 0 && a->n_entry == number(want, "entry_count") &&
               a->n_cluster == number(want, "cluster_count") && a->bytes == (uint64_t)number(want, "bytes") &&
               a->has_checksum == json_is_true(json_object_get(want, "has_checksum")),
           "another header");
    expect(a->n_warning == 0, "a warning: %s", a->warning[0]);
    const char *main_page = json_string_value(json_object_get(want, "main"));
    struct error err = {0};
    expect(a->has_main == (main_page != NULL), "another main page");
    if (main_page && a->has_main)
        expect(zim_entry(z, a->main_entry, &entry, &err) == 0 && entry.namespace == *main_page &&
                   strcmp(entry.path, main_page + 2) == 0,
               "another main page");
    char title[64];
    expect(zim_metadata(z, "Title", title, sizeof title) == (zim_find(z, 'M', "Title", &found)), "metadata");
}

static void good(const char *dir, const json_t *row)
{
    struct error err = {0};
    struct zim *z = NULL;
    char path[512], detail[80];
    json_t *want = load(dir, text_of(row, "listing")), *list = json_object_get(want, "entries"), *one;
    json_t *articles = json_object_get(want, "articles");
    size_t i, n_article = 0;
    snprintf(path, sizeof path, "%s/%s", dir, text_of(row, "file"));
    if (!want || zim_open(&z, path, 1, &err)) {
        expect(0, "%s", err.text);
        verdict(text_of(row, "file"), "");
        return;
    }
    compare_head(z, want);
    expect(json_array_size(list) == zim_about(z)->n_entry, "another number of entries");
    json_array_foreach(list, i, one) compare_entry(z, one);
    for (i = json_array_size(list); i-- > 0;) /* backwards: clusters are begun anew */
        compare_entry(z, json_array_get(list, i));
    for (uint32_t k = 0; k < zim_about(z)->n_entry; k++)
        if (zim_entry(z, k, &entry, &err) == 0 && zim_is_article(z, &entry)) {
            expect(json_integer_value(json_array_get(articles, n_article)) == k, "entry %u is no article", k);
            n_article++;
        }
    expect(n_article == json_array_size(articles), "%zu articles, not %zu", n_article, json_array_size(articles));
    snprintf(detail, sizeof detail, "%zu entries, %zu articles", json_array_size(list), n_article);
    zim_close(z);
    json_decref(want);
    verdict(text_of(row, "file"), detail);
}

/* ---- damaged archives ---------------------------------------- */

struct outcome {
    int opens, refuses_verified;
    int n_entry, n_read, n_bad;
    int in_cluster_0; /* of the bad ones */
    char open_error[512], last_error[512], warning[200], bad_path[64];
};

static void walk(struct zim *z, struct outcome *o)
{
    const uint8_t *data;
    size_t n;
    for (uint32_t i = 0; i < zim_about(z)->n_entry; i++) {
        struct error err = {0};
        o->n_entry++;
        int wrong = zim_entry(z, i, &entry, &err);
        int is_known = !wrong;
        if (!wrong && entry.kind == ZIM_REDIRECT) {
            struct error leads_nowhere = {0}; /* what is wrong with its target is said of that */
            found = entry;
            zim_resolve(z, &found, &leads_nowhere);
        }
        if (!wrong && entry.kind == ZIM_CONTENT)
            wrong = zim_blob(z, &entry, MOST, &data, &n, &err);
        if (!wrong && entry.kind == ZIM_CONTENT) {
            uint8_t digest[SHA256_BYTES];
            sha256(data, n, digest);
            o->n_read++;
        }
        if (wrong) {
            o->n_bad++;
            o->in_cluster_0 += is_known && entry.kind == ZIM_CONTENT && entry.cluster == 0;
            snprintf(o->last_error, sizeof o->last_error, "%s", err.text);
            if (is_known)
                snprintf(o->bad_path, sizeof o->bad_path, "%.60s", entry.path);
        }
    }
}

static struct outcome outcome_of(const char *path)
{
    struct outcome o = {.opens = 0};
    struct error err = {0}, refused = {0};
    struct zim *z;
    o.refuses_verified = zim_open(&z, path, 1, &refused) != 0;
    if (!o.refuses_verified)
        zim_close(z);
    if (zim_open(&z, path, 0, &err)) {
        snprintf(o.open_error, sizeof o.open_error, "%s", err.text);
        return o;
    }
    o.opens = 1;
    snprintf(o.warning, sizeof o.warning, "%s", zim_about(z)->n_warning ? zim_about(z)->warning[0] : "");
    walk(z, &o);
    zim_close(z);
    return o;
}

static int is(const char *file, const char *name)
{
    return strncmp(file, "bad/", 4) == 0 && strncmp(file + 4, name, strlen(name)) == 0 &&
           strcmp(file + 4 + strlen(name), ".zim") == 0;
}

/* What a row asks for, by the words of its outcome; what those leave open, by its name. */
static void judge(const char *file, const char *expected, const struct outcome *o)
{
    if (strncmp(expected, "refused at open", 15) == 0) {
        expect(!o->opens && o->open_error[0], "it opens");
        return;
    }
    expect(o->opens, "refused: %s", o->open_error);
    if (strstr(expected, "the entry is reported and skipped")) {
        expect(o->n_bad == 1, "%d entries are reported, not 1", o->n_bad);
    } else if (strstr(expected, "a and b are reported")) {
        expect(o->n_bad == 2 && o->n_read == 1, "%d are reported, %d are read", o->n_bad, o->n_read);
    } else if (strstr(expected, "cluster-compression") || strstr(expected, "of cluster 0 is reported")) {
        expect(o->n_bad > 40 && o->in_cluster_0 == o->n_bad && o->n_read == 10,
               "%d are reported, %d of them of cluster 0; %d are read", o->n_bad, o->in_cluster_0, o->n_read);
        expect(!strstr(expected, "zlib") || strstr(o->last_error, "zlib"), "zlib is not named: %s", o->last_error);
    } else if (is(file, "cluster-pointer-order")) {
        expect(o->n_bad == 10 && o->in_cluster_0 == 0, "%d are reported", o->n_bad);
    } else if (is(file, "main-page")) {
        expect(o->n_bad == 0 && strstr(o->warning, "main page"), "warning: %s", o->warning);
    } else if (is(file, "checksum")) {
        expect(o->n_bad == 0 && strstr(o->warning, "checksum") && o->refuses_verified, "warning: %s", o->warning);
    } else if (is(file, "path-order")) {
        expect(o->n_bad == 0 && strstr(o->warning, "not sorted"), "warning: %s", o->warning);
    } else if (is(file, "bomb-64m")) {
        struct rusage use;
        getrusage(RUSAGE_SELF, &use);
        expect(o->n_bad == 1 && strstr(o->last_error, "67108864"), "the limit is not named: %s", o->last_error);
        expect(use.ru_maxrss < 64 << 10, "%ld KiB of memory", use.ru_maxrss);
    } else {
        expect(0, "nobody knows what \"%s\" means", expected);
    }
}

static void bad(const char *dir, const json_t *row)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, text_of(row, "file"));
    struct outcome o = outcome_of(path);
    judge(text_of(row, "file"), text_of(row, "expected"), &o);
    verdict(text_of(row, "file"), o.opens ? o.warning[0] ? o.warning : o.last_error : o.open_error);
}

/* ---- every prefix, every bit ---------------------------------------- */

static const char *work;

static void put(const uint8_t *data, size_t n)
{
    FILE *f = fopen(work, "wb");
    expect(f && fwrite(data, 1, n, f) == n, "cannot write %s", work);
    if (f)
        fclose(f);
}

static int opens_verified(void)
{
    struct error err = {0};
    struct zim *z = NULL;
    int wrong = zim_open(&z, work, 1, &err);
    expect(!wrong || err.text[0], "no sentence");
    if (!wrong)
        zim_close(z);
    return !wrong;
}

/* Whatever is in it, it ends. */
static void read_all(void)
{
    struct error err = {0};
    struct outcome o = {.opens = 0};
    struct zim *z = NULL;
    if (zim_open(&z, work, 0, &err) == 0) {
        walk(z, &o);
        zim_find(z, 'C', "Lighthouse", &found);
        zim_close(z);
    }
}

static void prefixes(const uint8_t *data, size_t size)
{
    char detail[64];
    for (size_t n = 0; n < size; n++) {
        put(data, n);
        expect(!opens_verified(), "the first %zu bytes are taken for whole", n);
        read_all();
    }
    snprintf(detail, sizeof detail, "%zu of plain.zim", size);
    verdict("every prefix", detail);
}

static void turn(uint8_t *data, size_t size, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        for (int bit = 0; bit < 8; bit++) {
            data[i] ^= (uint8_t)(1u << bit);
            put(data, size);
            expect(!opens_verified(), "bit %d of byte %zu turned: verified", bit, i);
            read_all();
            data[i] ^= (uint8_t)(1u << bit);
        }
}

static uint64_t u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void mutations(const char *dir)
{
    static uint8_t data[64 << 10];
    char path[512], place[TEMPORARY_PATH];
    snprintf(path, sizeof path, "%s/plain.zim", dir);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(data, 1, sizeof data, f) : 0;
    if (f)
        fclose(f);
    int fd = temporary_file(place, "zim");
    expect(n > 200 && fd >= 0, "no plain.zim, or no place for another");
    if (n <= 200 || fd < 0) {
        verdict("mutations", "");
        return;
    }
    close(fd);
    work = place;
    put(data, n);
    expect(opens_verified(), "plain.zim itself is refused");
    prefixes(data, n);
    turn(data, n, 0, 200);
    verdict("every bit", "of the first 200 bytes of plain.zim");
    size_t paths = u64(data + 32), titles = u64(data + 40), clusters = u64(data + 48), count = data[24];
    turn(data, n, paths, paths + 8 * count);
    turn(data, n, titles, titles + 4 * count);
    turn(data, n, clusters, clusters + 8 * (size_t)data[28]);
    verdict("every bit", "of its three lists");
    unlink(place);
}

/* An archive in parts is read as one. */
static void parts(const char *dir)
{
    static uint8_t data[64 << 10];
    char path[512], folder[TEMPORARY_PATH], name[3][TEMPORARY_PATH + 16];
    struct error err = {0};
    struct zim *z = NULL;
    snprintf(path, sizeof path, "%s/zstd.zim", dir);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(data, 1, sizeof data, f) : 0, at = 0;
    if (f)
        fclose(f);
    json_t *want = load(dir, "zstd.json");
    expect(n > 2000 && temporary_folder(folder, "parts") == 0, "no zstd.zim, or no place for its parts");
    for (int i = 0; i < 3; i++) {
        size_t k = i == 0 ? 77 : i == 1 ? 1500 : n - at;
        snprintf(name[i], sizeof name[i], "%s/x.zima%c", folder, 'a' + i);
        work = name[i];
        put(data + at, k);
        at += k;
    }
    for (int whole = 0; whole < 2; whole++) {
        snprintf(path, sizeof path, "%s/x.zim%s", folder, whole ? "" : "aa");
        expect(zim_open(&z, path, 1, &err) == 0, "%s", err.text);
        for (size_t i = 0; z && i < json_array_size(json_object_get(want, "entries")); i++)
            compare_entry(z, json_array_get(json_object_get(want, "entries"), i));
        zim_close(z);
        z = NULL;
    }
    for (int i = 0; i < 3; i++)
        unlink(name[i]);
    rmdir(folder);
    json_decref(want);
    verdict("parts", "zstd.zim as x.zimaa, x.zimab, x.zimac");
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : TEST_DATA "/library/zim";
    json_t *index = load(dir, "INDEX.json"), *row;
    size_t i;
    json_array_foreach(json_object_get(index, "bad"), i, row) bad(dir, row); /* first: of memory the peak is measured */
    expect(i == 27, "%zu damaged archives, not 27", i);
    json_array_foreach(json_object_get(index, "good"), i, row) good(dir, row);
    expect(i == 6, "%zu good archives, not 6", i);
    verdict("INDEX.json", "27 damaged, 6 good");
    changing_tests();
    parts(dir);
    mutations(dir);
    json_decref(index);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
