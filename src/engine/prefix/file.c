/* Files of known prefixes: see file.h. */
#include "engine/prefix/file.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'S', 'T', 'O', 'K', 'E', 'R', 'K', 'V'};

struct header {
    char magic[8];
    uint32_t version, page; /* page: positions of one */
    struct prefix_record record;
    int32_t own[KV_PAGE];
    uint64_t sum; /* of the header before it */
};
_Static_assert(sizeof(struct header) == 16 + 72 + 4 * KV_PAGE + 8 && sizeof(struct header) <= PREFIX_BLOCK,
               "no padding");

static uint64_t blocks(uint64_t n) { return (n + PREFIX_BLOCK - 1) / PREFIX_BLOCK * PREFIX_BLOCK; }

static uint64_t before_bytes(const struct prefix_record *r) { return (uint64_t)r->first * sizeof(int32_t); }

uint64_t prefix_file_payload(const struct prefix_record *r) { return PREFIX_BLOCK + blocks(before_bytes(r)); }

uint64_t prefix_file_bytes(const struct prefix_record *r) { return prefix_file_payload(r) + blocks(r->payload); }

int32_t *prefix_image_own(uint8_t *image) { return (int32_t *)(image + offsetof(struct header, own)); }

int32_t *prefix_image_before(uint8_t *image) { return (int32_t *)(image + PREFIX_BLOCK); }

uint64_t prefix_ending_hash(uint64_t parent, uint64_t key, const int32_t *ids, int n)
{
    return hash64(ids, (size_t)n * sizeof *ids, hash64(&key, sizeof key, parent ^ 0x656e64696e67u));
}

struct prefix_name prefix_file_name(uint64_t hash)
{
    struct prefix_name name;
    snprintf(name.text, sizeof name.text, "%02x/%016llx.sk", (unsigned)(hash >> 56), (unsigned long long)hash);
    return name;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------- */

/* Block by block, so that pieces that begin anywhere have one sum. */
struct sum {
    uint64_t value;
    uint8_t block[PREFIX_BLOCK];
    size_t n;
};

static void add(struct sum *s, const uint8_t *data, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        size_t k = PREFIX_BLOCK - s->n;
        k = n - done < k ? (size_t)(n - done) : k;
        if (s->n == 0 && k == PREFIX_BLOCK)
            s->value = hash64(data + done, k, s->value);
        else
            memcpy(s->block + s->n, data + done, k);
        s->n = s->n == 0 && k == PREFIX_BLOCK ? 0 : s->n + k;
        done += k;
        if (s->n == PREFIX_BLOCK) {
            s->value = hash64(s->block, s->n, s->value);
            s->n = 0;
        }
    }
}

static uint64_t total(struct sum *s) { return hash64(s->block, s->n, s->value); }

static uint64_t header_sum(const struct header *h) { return hash64(h, offsetof(struct header, sum), 0); }

void prefix_file_seal(struct prefix_record *r, uint8_t *image)
{
    struct header h = {.version = PREFIX_VERSION, .page = KV_PAGE};
    struct sum payload = {0}, before = {0};
    add(&payload, image + prefix_file_payload(r), r->payload);
    add(&before, image + PREFIX_BLOCK, before_bytes(r));
    r->payload_sum = total(&payload);
    r->before_sum = total(&before);
    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.own, prefix_image_own(image), r->count * sizeof *h.own);
    h.record = *r;
    h.sum = header_sum(&h);
    memset(image, 0, PREFIX_BLOCK);
    memcpy(image, &h, sizeof h);
}

static int write_all(int fd, const uint8_t *data, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        ssize_t k = write(fd, data + done, n - done);
        if (k > 0)
            done += (uint64_t)k;
        else if (k == 0 || errno != EINTR)
            return -1;
    }
    return 0;
}

/* Beside its name, then renamed. */
static int write_into(int folder, const char *name, const uint8_t *image, uint64_t n)
{
    char beside[sizeof(struct prefix_name)];
    snprintf(beside, sizeof beside, "%.*s.tmp", (int)strcspn(name, "."), name);
    int fd = openat(folder, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    int failed = write_all(fd, image, n) || fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* the page cache is the model's */
    failed |= close(fd);
    failed = failed || renameat(folder, beside, folder, name);
    if (failed)
        unlinkat(folder, beside, 0);
    return failed ? -1 : 0;
}

int prefix_file_write(int dir, uint64_t hash, const uint8_t *image, uint64_t n)
{
    struct prefix_name its = prefix_file_name(hash);
    const char *folder_name = its.text, *name = its.text + 3;
    its.text[2] = 0;
    if (mkdirat(dir, folder_name, 0700) && errno != EEXIST)
        return -1;
    int folder = openat(dir, folder_name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); /* no link leads elsewhere */
    int failed = folder < 0 || write_into(folder, name, image, n);
    if (folder >= 0)
        close(folder);
    return failed ? -1 : 0;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------------- */

static enum prefix_read read_at(int fd, uint8_t *to, uint64_t n, uint64_t at)
{
    for (uint64_t done = 0; done < n;) {
        ssize_t k = pread(fd, to + done, n - done, (off_t)(at + done));
        if (k > 0)
            done += (uint64_t)k;
        else if (k == 0 || errno != EINTR)
            return k == 0 ? PREFIX_CORRUPT : PREFIX_UNREADABLE;
    }
    return PREFIX_READ_OK;
}

static uint64_t name_of(const struct prefix_record *r, const int32_t *own)
{
    int whole = r->count == KV_PAGE && !r->has_state;
    return whole ? prefix_page_hash(r->parent, r->key, own) : prefix_ending_hash(r->parent, r->key, own, (int)r->count);
}

/* Pages of kinds that there are; the page before a state that lies behind a whole one has a file of its own. */
static int kinds_fit(const struct prefix_record *r)
{
    return r->kinds >> KV_KINDS == 0 && (r->kinds == 0 || !r->has_state || r->count < KV_PAGE);
}

static enum prefix_read read_header(int fd, struct header *h)
{
    struct stat st;
    if (fstat(fd, &st))
        return PREFIX_UNREADABLE;
    enum prefix_read was = read_at(fd, (uint8_t *)h, sizeof *h, 0);
    if (was != PREFIX_READ_OK)
        return was;
    const struct prefix_record *r = &h->record;
    return memcmp(h->magic, magic, sizeof magic) != 0 || h->sum != header_sum(h) || h->version != PREFIX_VERSION ||
                   h->page != KV_PAGE || r->first % KV_PAGE || r->first > INT32_MAX - KV_PAGE || r->count < 1 ||
                   r->count > KV_PAGE || !kinds_fit(r) || r->payload > (uint64_t)1 << 48 ||
                   (uint64_t)st.st_size != prefix_file_bytes(r) || r->hash != name_of(r, h->own)
               ? PREFIX_CORRUPT
               : PREFIX_READ_OK;
}

enum prefix_read prefix_file_read_header(int fd, struct prefix_record *r, int32_t *own)
{
    struct header h;
    enum prefix_read was = read_header(fd, &h);
    if (was != PREFIX_READ_OK)
        return was;
    *r = h.record;
    memcpy(own, h.own, sizeof h.own);
    return PREFIX_READ_OK;
}

/* What nobody wants, but for its sum. */
static enum prefix_read pass_over(int fd, struct sum *s, uint64_t n, uint64_t at)
{
    uint8_t block[PREFIX_BLOCK];
    enum prefix_read was = PREFIX_READ_OK;
    for (uint64_t done = 0, k; done < n && was == PREFIX_READ_OK; done += k) {
        k = n - done < sizeof block ? n - done : sizeof block;
        was = read_at(fd, block, k, at + done);
        add(s, block, was == PREFIX_READ_OK ? k : 0);
    }
    return was;
}

static enum prefix_read compare_before(int fd, const struct prefix_record *r, const int32_t *ids)
{
    uint8_t block[PREFIX_BLOCK];
    int same = 1;
    struct sum s = {0};
    uint64_t n = before_bytes(r);
    for (uint64_t at = 0; at < n; at += sizeof block) {
        uint64_t k = n - at < sizeof block ? n - at : sizeof block;
        enum prefix_read was = read_at(fd, block, k, PREFIX_BLOCK + at);
        if (was != PREFIX_READ_OK)
            return was;
        same = same && memcmp(block, (const uint8_t *)ids + at, k) == 0;
        add(&s, block, k);
    }
    return total(&s) != r->before_sum ? PREFIX_CORRUPT : same ? PREFIX_READ_OK : PREFIX_MISMATCH;
}

enum prefix_read prefix_file_read(int fd, const struct prefix_record *r, const int32_t *before,
                                  const struct prefix_piece *piece, int n_piece)
{
    struct sum s = {0};
    uint64_t at = prefix_file_payload(r), n = 0;
    enum prefix_read was = compare_before(fd, r, before);
    for (int i = 0; was == PREFIX_READ_OK && i < n_piece; i++) {
        was = piece[i].to ? read_at(fd, piece[i].to, piece[i].n, at + n) : pass_over(fd, &s, piece[i].n, at + n);
        add(&s, piece[i].to, was == PREFIX_READ_OK && piece[i].to ? piece[i].n : 0);
        n += piece[i].n;
    }
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return was == PREFIX_READ_OK && (n != r->payload || total(&s) != r->payload_sum) ? PREFIX_CORRUPT : was;
}
