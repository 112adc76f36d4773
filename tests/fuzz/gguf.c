/* links: engine text model store op machine kernel format base
 *
 * Fuzz target: a GGUF file from its first byte to memory plans. The bytes are a file in memory; whatever they are, opening ends
 * with a description or a sentence, and a described model can be planned: its minimum, a page less, a server's requests; what a plan
 * says of itself holds. No weight is read: behind the header is a hole, so that tensors may be of any size.
 *
 * Seeds: headers alone of goldens, at least one an architecture, most without vocabulary. Mutations are of bytes, and of numbers
 * in a header that stays one: a key or a length of a tensor, or all of those that have the same value. */
#include "base/error.h"
#include "engine/session.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

/* ---- numbers of a header ------------------------------------------------------------------------------------------------------ */

enum { NUMBERS = 1 << 14 };
struct numbers {
    const uint8_t *data;
    size_t size, at;
    size_t place[NUMBERS];
    uint8_t bytes[NUMBERS];
    int n;
};

static uint64_t get(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

/* The next n bytes as a number; 0 beyond the end. */
static uint64_t take(struct numbers *s, size_t n)
{
    if (s->at > s->size || s->size - s->at < n)
        return s->at = s->size + 1, 0;
    s->at += n;
    return get(s->data + s->at - n, n);
}

static void skip_string(struct numbers *s)
{
    uint64_t n = take(s, 8);
    s->at = s->at <= s->size && n <= s->size - s->at ? s->at + n : s->size + 1;
}

static void note(struct numbers *s, size_t bytes)
{
    if (s->n < NUMBERS && s->at + bytes <= s->size) {
        s->place[s->n] = s->at;
        s->bytes[s->n++] = (uint8_t)bytes;
    }
    take(s, bytes);
}

static void walk_value(struct numbers *s, uint64_t kind)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (kind == GGUF_ARRAY) {
        uint64_t item = take(s, 4), n = take(s, 8);
        for (uint64_t i = 0; i < n && s->at <= s->size; i++)
            walk_value(s, item == GGUF_ARRAY ? GGUF_STRING : item);
    } else if (kind == GGUF_STRING)
        skip_string(s);
    else if (kind < sizeof bytes)
        note(s, bytes[kind]);
    else
        s->at = s->size + 1;
}

static void walk(struct numbers *s, const uint8_t *data, size_t size)
{
    *s = (struct numbers){.data = data, .size = size, .at = 8};
    uint64_t n_tensor = take(s, 8), n_key = take(s, 8);
    for (uint64_t i = 0; i < n_key && s->at <= size; i++) {
        skip_string(s);
        walk_value(s, take(s, 4));
    }
    for (uint64_t i = 0; i < n_tensor && s->at <= size; i++) {
        skip_string(s);
        uint64_t n_dims = take(s, 4);
        for (uint64_t d = 0; d < n_dims && d < 4; d++)
            note(s, 8);
        take(s, 4); /* type */
        take(s, 8); /* offset */
    }
}

static uint64_t other_number(uint64_t v, unsigned int r)
{
    static const uint64_t extreme[] = {
        0,          1,           2,          3,          5,          255,           256,        257,
        4095,       4096,        4097,       65536,      1 << 20,    (1 << 20) + 1, 0x7fffffff, 0x80000000,
        0xffffffff, 0x100000000, UINT64_MAX, 1ull << 63, 0x7fc00000, 0x7f800000,    0xbf800000, 0x00000001};
    switch (r % 8) {
    case 0:
        return v + 1;
    case 1:
        return v - 1;
    case 2:
        return v * 2;
    case 3:
        return v / 2;
    case 4:
        return r / 8 % 64;
    default:
        return extreme[r / 8 % (sizeof extreme / sizeof *extreme)];
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
    static struct numbers s;
    walk(&s, data, size);
    if (seed % 4 == 0 || s.n == 0)
        return LLVMFuzzerMutate(data, size, most);
    unsigned int r = seed / 4 * 2654435761u;
    int one = (int)(r % (unsigned int)s.n), all = seed % 4 == 1;
    uint64_t was = get(data + s.place[one], s.bytes[one]), v = other_number(was, r >> 8);
    for (int i = 0; i < s.n; i++)
        if (i == one || (all && get(data + s.place[i], s.bytes[i]) == was))
            memcpy(data + s.place[i], &v, s.bytes[i]);
    return size;
}

/* ---- plans -------------------------------------------------------------------------------------------------------------------- */

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

/* A failure has a sentence, and what a plan says of itself holds. */
static void plan(struct session *s, const struct plan_request *request)
{
    struct plan p = {0};
    struct error err = {0};
    uint64_t sum = 0;
    if (plan_make(&p, s->model, request, &err)) {
        require(err.code != ERR_NONE && err.text[0]);
        return;
    }
    for (int i = 0; i < PLAN_PARTS; i++)
        sum += p.part[i];
    require(sum == p.total && p.total <= p.memory && p.minimum <= p.whole && p.n_ctx > 0 && p.n_chunk > 0);
}

static void plans(struct session *s)
{
    const struct plan_request least = {.how = PLAN_MINIMUM, .n_threads = 2};
    struct plan_request w = least;
    uint64_t minimum = s->plan.minimum;
    w.how = PLAN_BYTES;
    w.memory = minimum > 4096 ? minimum - 4096 : 1;
    plan(s, &w);
    w.memory = minimum + (64 << 20);
    plan(s, &w);
    w = least;
    w.how = PLAN_WHOLE;
    plan(s, &w);
    w = (struct plan_request){
        .how = PLAN_BYTES, .memory = 1ull << 36, .n_threads = 3, .n_parallel = 3, .n_ctx = 1 << 20};
    w.kv = KV_F32;
    w.cache_ram = 1 << 28;
    w.n_snapshots = 2;
    w.exact = 1;
    plan(s, &w);
    w.n_ctx = 1;
    w.cache_dir = 1;
    plan(s, &w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.gguf", 0);
    char path[64];
    struct gguf *alone;
    struct error why = {0};
    static struct numbers header;
    walk(&header, data, size);
    /* not where the header continues in the hole: reading 256 MiB of zeros takes seconds */
    off_t hole = header.at <= size ? (off_t)1 << 42 : 1 << 20;
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (gguf_open_header(&alone, path, &why) == 0)
        gguf_close(alone);
    else
        require(why.code != ERR_NONE && why.text[0]);
    if (ftruncate(fd, (off_t)size + hole)) {
        close(fd);
        return 0;
    }
    struct session_options opt = {.plan_request = {.how = PLAN_MINIMUM, .n_threads = 2}, .tier = TIER_SCALAR};
    struct session *s = NULL;
    struct error err = {0};
    if (session_prepare(&s, path, &opt, 0, &err) == 0) {
        plans(s);
        session_close(s);
    } else
        require(err.code != ERR_NONE && err.text[0]); /* no failure without a sentence */
    close(fd);
    return 0;
}
