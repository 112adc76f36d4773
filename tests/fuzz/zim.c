/* links: library base
 *
 * Fuzz target: a ZIM archive. Whatever the bytes are, every entry ends with content inside the limits or with a sentence; a path that is
 * found is the path that was asked for. Seeds: archives with plain, zstd and xz clusters, with redirects that never end, and without
 * entries. */
#include "library/zim/zim.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

enum { ENTRIES = 300, MOST = 1 << 20 };

static struct zim_entry entry, found;

static void look_at(struct zim *z, uint32_t i)
{
    struct error err = {0}, none = {0};
    const uint8_t *data;
    size_t n, sum = 0;
    if (zim_entry(z, i, &entry, &err)) {
        require(err.code != ERR_NONE && err.text[0]);
        return;
    }
    require(strlen(entry.path) <= ZIM_ENTRY_MOST && strlen(entry.title) <= ZIM_ENTRY_MOST);
    if (zim_find(z, entry.namespace, entry.path, &found))
        require(strcmp(found.path, entry.path) == 0 && found.namespace == entry.namespace);
    if (zim_resolve(z, &entry, &none) == 0 && entry.kind == ZIM_CONTENT &&
        zim_blob(z, &entry, MOST, &data, &n, &err) == 0) {
        require(n <= MOST);
        for (size_t k = 0; k < n; k++) /* all of it may be read */
            sum += data[k];
        require(sum <= 255 * n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.zim", 0), is_right;
    char path[64], title[32];
    struct zim *z = NULL;
    struct error err = {0}, other = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        if (zim_open(&z, path, 0, &err) == 0) {
            for (uint32_t i = 0; i < zim_about(z)->n_entry && i < ENTRIES; i++)
                look_at(z, i);
            zim_metadata(z, "Title", title, sizeof title);
            zim_verify(z, &is_right, NULL, NULL, &other);
        } else
            require(err.code != ERR_NONE && err.text[0]);
    }
    zim_close(z);
    close(fd);
    return 0;
}
