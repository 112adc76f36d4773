/* Address space of constraints: reserve.h. */
#include "text/constraint/reserve.h"

#include "base/error.h"
#include "base/page.h"

#include <sys/mman.h>

int reserve(struct arena *a, size_t bytes, struct error *err)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return error_set(err, ERR_MEMORY, "no memory for a constraint: %zu bytes", bytes);
    arena_init(a, p, bytes);
    return 0;
}

void reserve_discard(const struct arena *a, const void *from)
{
    const size_t size = page_bytes();
    uint8_t *end = a->base + a->size, *page = (uint8_t *)(((uintptr_t)from + size - 1) / size * size);
    if (page < end)
        madvise(page, (size_t)(end - page), MADV_DONTNEED);
}
