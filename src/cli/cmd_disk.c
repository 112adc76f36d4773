/* stoker disk: the read rate of a file's drive by depth and size of reads. */
#include "cli/cli.h"
#include "cli/flags.h"

#include "base/arena.h"
#include "base/error.h"
#include "format/gguf.h"
#include "store/disk_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "stoker disk FILE [flags]: how fast the drive below FILE is read, past the page cache.\n\n"
                            "  stoker disk MODEL.gguf            a table: size of a read by reads in flight\n"
                            "  stoker disk MODEL.gguf --json\n\n"
                            "FILE: any file that is much larger than a read; a model is right.\n\n";

static const uint64_t blocks[] = {64 << 10, 256 << 10, 1 << 20, 5 << 19, 8 << 20};
static const int depths[] = {1, 2, 4, 8, 16, 32};
enum { N_BLOCKS = sizeof blocks / sizeof *blocks, N_DEPTHS = sizeof depths / sizeof *depths };
enum { ROOM = 384 << 20 };

static int probe_all(const struct gguf_file *file, uint64_t bytes, json_t *rows, struct error *err)
{
    struct arena arena;
    if (arena_map(&arena, ROOM, err))
        return -1;
    arena_touch(&arena, 0, 1);
    struct probe_room room = {arena.base, ROOM};
    if (!rows) {
        printf("GB/s       reads in flight\n%-9s", "a read");
        for (int d = 0; d < N_DEPTHS; d++)
            printf("%8d", depths[d]);
        putchar('\n');
    }
    int result = 0;
    for (int b = 0; b < N_BLOCKS && result == 0 && file->size > blocks[b] + 8192; b++) {
        if (!rows)
            printf("%-9s", show_bytes(blocks[b]));
        for (int d = 0; d < N_DEPTHS && result == 0; d++) {
            struct disk_probe p;
            result = disk_probe(file, blocks[b], depths[d], bytes, (uint64_t)(b * N_DEPTHS + d), &room, &p, err);
            if (result == 0 && rows)
                json_array_append_new(rows, json_pack("{s:I, s:i, s:f, s:f}", "block", (json_int_t)blocks[b], "depth",
                                                      depths[d], "bytes_per_second", p.bytes_per_second,
                                                      "reads_per_second", p.reads_per_second));
            else if (result == 0) {
                printf("%8.2f", p.bytes_per_second / 1e9);
                fflush(stdout);
            }
        }
        if (!rows)
            putchar('\n');
    }
    arena_unmap(&arena);
    return result;
}

int cmd_disk(int argc, char **argv)
{
    int json = 0, n_rest;
    uint64_t bytes = 256 << 20;
    const char *path = NULL;
    const struct flag mine[] = {
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs"},
        {"--bytes", NULL, FLAG_BYTES, &bytes, 0, 0, "BYTES", "read for each figure (default 256M)"},
    };
    const struct flag_table tables[] = {{mine, 2}};
    int status = flags_parse("disk", usage, tables, 1, argc, argv, &path, 1, &n_rest);
    if (status != FLAGS_DONE)
        return status;
    if (!path) {
        fprintf(stderr, "stoker disk: name a FILE; see stoker disk --help\n");
        return 2;
    }
    if (bytes >= STOKER_MEMORY_MAX) {
        fprintf(stderr, "stoker disk: --bytes min and max mean nothing here; give a number, for example 256M\n");
        return 2;
    }
    struct gguf_file file = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat st;
    if (file.fd < 0 || fstat(file.fd, &st)) {
        fprintf(stderr, "stoker: %s cannot be opened: %s\n", path, strerror(errno));
        return 1;
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size <= blocks[0] + 8192) {
        fprintf(stderr, "stoker: %s is not a file larger than %s; name a model\n", path, show_bytes(blocks[0] + 8192));
        close(file.fd);
        return 1;
    }
    file.size = (uint64_t)st.st_size;
    file.dev = st.st_dev;
    file.ino = st.st_ino;
    file.mtime = st.st_mtim;
    struct error err = {0};
    json_t *rows = json ? json_array() : NULL;
    int failed = probe_all(&file, bytes, rows, &err);
    if (rows) {
        json_dumpf(rows, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(rows);
    }
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    close(file.fd);
    return failed ? 1 : 0;
}
