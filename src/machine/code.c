/* See code.h. */
#include "machine/code.h"

#include "base/checked.h"
#include "base/page.h"

#include <link.h>

#define MIB (UINT64_C(1) << 20)

static int add_segments(struct dl_phdr_info *info, size_t size, void *sum)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            *(uint64_t *)sum += round_up(info->dlpi_phdr[i].p_memsz, page_bytes());
    return 0;
}

uint64_t machine_code_bytes(void)
{
    uint64_t sum = 8 * MIB;
    dl_iterate_phdr(add_segments, &sum);
    return round_up(sum, MIB);
}
