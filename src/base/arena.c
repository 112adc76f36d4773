/* Arenas: see arena.h. */
#include "base/arena.h"

#include "base/error.h"
#include "base/page.h"
#include "base/reqmem.h"
#include "base/topology.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
enum { RED_ZONE = 64 };
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
enum { RED_ZONE = 0 };
#endif

enum { BLOCK = 1 << 18, HUGE_PAGE = 2 << 20, PIECE = 4 * HUGE_PAGE, MEASURING_BASE = HUGE_PAGE };

struct arena_block {
    struct arena_block *next;
    size_t size;
};

static void *map_pages(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void arena_init(struct arena *a, void *base, size_t size)
{
    *a = (struct arena){.base = base, .size = size, .total = size};
    POISON(base, size);
}

/* Any aligned address but NULL, which means failure. */
void arena_init_measuring(struct arena *a)
{
    *a = (struct arena){.base = (uint8_t *)(uintptr_t)MEASURING_BASE, .size = SIZE_MAX / 2, .measuring = 1};
}

void arena_init_growing(struct arena *a) { *a = (struct arena){.growing = 1, .counted = reqmem_here()}; }

/* Bytes in use that count against a limit (a field of /proc/self/statm); 0: not known. */
static unsigned long long in_use(int field)
{
    char text[200];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    char *at = text;
    for (int i = 0; i < field; i++)
        strtoull(at, &at, 10);
    return strtoull(at, NULL, 10) * page_bytes();
}

/* Which limit forbade a mapping: the kernel reports the same errno for all. */
static int cannot_map(size_t size, size_t with_alignment, struct error *err)
{
    static const struct {
        int resource, field;
        const char *name;
    } limits[] = {{RLIMIT_DATA, 5, "data (ulimit -d, RLIMIT_DATA)"},
                  {RLIMIT_AS, 0, "address space (ulimit -v, RLIMIT_AS)"}};
    int why = errno;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        unsigned long long used = in_use(limits[i].field), most;
        if (getrlimit(limits[i].resource, &limit) != 0 || (most = limit.rlim_cur) == RLIM_INFINITY)
            continue;
        if (used > most || with_alignment > most - used)
            return error_set(err, ERR_MEMORY,
                             "mapping %zu bytes of memory failed: the limit on %s is %llu bytes, of which %llu are in "
                             "use; raise it, or try a smaller --memory",
                             size, limits[i].name, most, used);
    }
    return error_set(err, ERR_MEMORY, "mapping %zu bytes of memory failed: %s; try a smaller --memory", size,
                     strerror(why));
}

/* Over the memory nodes of the cores that we may use, where there are several. */
static void spread(uint8_t *base, size_t size)
{
    struct topology_set allowed, nodes;
    topology_allowed(&allowed);
    if (topology_memory_nodes("", &allowed, &nodes) > 1)
        topology_interleave(base, size, &nodes);
}

int arena_map(struct arena *a, size_t size, struct error *err)
{
    size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    /* one huge page more, to cut an aligned stretch out of it */
    uint8_t *p = whole < size ? NULL : map_pages(whole + HUGE_PAGE);
    if (!p)
        return cannot_map(size, whole < size ? size : whole + HUGE_PAGE, err);
    uint8_t *base = (uint8_t *)(((uintptr_t)p + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    if (base > p)
        munmap(p, (size_t)(base - p));
    munmap(base + whole, (size_t)(p + HUGE_PAGE - base));
    madvise(base, whole, MADV_HUGEPAGE);
    spread(base, whole);
    arena_init(a, base, whole);
    return 0;
}

/* Each byte is written with what it holds, in one instruction: a device or a thread may be filling the page. */
__attribute__((no_sanitize("address"))) static void write_pages(uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i += 4096) {
        uint8_t is = __atomic_load_n(p + i, __ATOMIC_RELAXED);
        __atomic_compare_exchange_n(p + i, &is, is, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
}

/* In pieces, because the kernel locks the address space for the whole call, and threads that start meanwhile would wait. */
static void prefault_pages(uint8_t *base, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    if (madvise(base, size, MADV_POPULATE_WRITE) == 0)
        return;
#endif
    write_pages(base, size);
}

void arena_prefault(struct arena *a, int i, int n)
{
    size_t pages = a->size / HUGE_PAGE, begin = pages * (size_t)i / (size_t)n * HUGE_PAGE;
    size_t size = pages * (size_t)(i + 1) / (size_t)n * HUGE_PAGE - begin;
    for (size_t done = 0; done < size; done += PIECE)
        prefault_pages(a->base + begin + done, size - done < PIECE ? size - done : PIECE);
}

void arena_unmap(struct arena *a)
{
    if (a->base) {
        UNPOISON(a->base, a->size);
        munmap(a->base, a->size);
    }
    *a = (struct arena){0};
}

static void free_block(const struct arena *a, struct arena_block *b)
{
    size_t size = b->size;
    UNPOISON(b, size);
    munmap(b, size);
    reqmem_give_to(a->counted, size);
}

void arena_free(struct arena *a)
{
    for (struct arena_block *b = a->block, *next; b; b = next) {
        next = b->next;
        free_block(a, b);
    }
    arena_init_growing(a);
}

void arena_clear(struct arena *a)
{
    struct arena_block *kept = a->block;
    if (!kept || !a->base || kept->size != BLOCK) {
        arena_free(a);
        return;
    }
    a->block = kept->next;
    struct arena rest = *a;
    arena_free(&rest);
    kept->next = NULL;
    UNPOISON(a->base, a->used);
    memset(a->base, 0, a->used);
    POISON(a->base, a->used);
    a->block = kept;
    a->total = kept->size;
    a->used = 0;
}

static int holds_any(const struct arena_block *b, const void *const *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((uintptr_t)p[i] - (uintptr_t)b < b->size)
            return 1;
    return 0;
}

void arena_keep(struct arena *a, const void *const *p, size_t n)
{
    int keeps_newest = a->block && holds_any(a->block, p, n);
    for (struct arena_block **at = &a->block, *b; (b = *at);) {
        if (holds_any(b, p, n)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        a->total -= b->size;
        free_block(a, b);
    }
    if (!keeps_newest) { /* what comes next begins a block */
        a->base = NULL;
        a->size = a->used = 0;
    }
}

static int grow(struct arena *a, size_t need)
{
    size_t size = sizeof(struct arena_block) + 64 + need;
    if (size < need)
        return -1;
    size = size < BLOCK ? BLOCK : (size + 4095) / 4096 * 4096;
    if (reqmem_take_of(a->counted, size))
        return -1;
    struct arena_block *b = map_pages(size);
    if (!b) {
        reqmem_give_to(a->counted, size);
        return -1;
    }
    *b = (struct arena_block){.next = a->block, .size = size};
    a->block = b;
    a->base = (uint8_t *)b + 64;
    a->size = size - 64;
    a->used = 0;
    a->total += size;
    POISON(a->base, a->size);
    return 0;
}

void *arena_alloc_aligned(struct arena *a, size_t size, size_t align)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        uintptr_t free_at = (uintptr_t)a->base + a->used;
        size_t pad = -free_at & (align - 1);
        size_t left = a->size - a->used;
        if (a->base && pad <= left && size <= left - pad) {
            uint8_t *p = a->base + a->used + pad;
            if (!a->measuring)
                UNPOISON(p, size);
            a->used += pad + size;
            a->peak = a->used > a->peak ? a->used : a->peak;
            if (a->growing && a->used + RED_ZONE <= a->size)
                a->used += RED_ZONE;
            return p;
        }
        if (!a->growing || size > SIZE_MAX / 2 || grow(a, size + align) != 0)
            return NULL;
    }
    return NULL;
}

void *arena_alloc(struct arena *a, size_t size) { return arena_alloc_aligned(a, size, 64); }

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return arena_alloc(a, bytes);
}

char *arena_copy(struct arena *a, const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *p = arena_alloc_aligned(a, length + 1, 1);
    if (!p)
        return NULL;
    memcpy(p, text, length);
    p[length] = 0;
    return p;
}

void arena_reset(struct arena *a, size_t mark)
{
    if (!a->measuring && mark < a->used) /* what lies behind is poisoned */
        POISON(a->base + mark, a->used - mark);
    a->used = mark;
}
