/* stoker disk: the read rate of a file's drive by depth and size of reads. */
#include "cli/common/cli.h"
#include "cli/common/flags.h"

#include "base/error.h"
#include "cli/machine/drive.h"

#include <jansson.h>

static const char usage[] = "stoker disk FILE [flags]: how fast the drive below FILE is read, past the page cache.\n\n"
                            "  stoker disk MODEL.gguf            a table: size of a read by reads in flight\n"
                            "  stoker disk MODEL.gguf --json\n\n"
                            "FILE: any file that is much larger than a read; a model is right.\n\n";

static const uint64_t blocks[] = {64 << 10, 256 << 10, 1 << 20, 5 << 19, 8 << 20};
static const int depths[] = {1, 2, 4, 8, 16, 32};
enum { N_BLOCKS = sizeof blocks / sizeof *blocks, N_DEPTHS = sizeof depths / sizeof *depths };

static int probe_all(const struct drive *drive, uint64_t bytes, json_t *rows, struct error *err)
{
    if (!rows) {
        printf("GB/s       reads in flight\n%-9s", "a read");
        for (int d = 0; d < N_DEPTHS; d++)
            printf("%8d", depths[d]);
        putchar('\n');
    }
    int result = 0;
    for (int b = 0; b < N_BLOCKS && result == 0 && drive->file.size > blocks[b] + 8192; b++) {
        if (!rows)
            printf("%-9s", show_bytes(blocks[b]));
        for (int d = 0; d < N_DEPTHS && result == 0; d++) {
            struct disk_probe p;
            result = disk_probe(&drive->file, blocks[b], depths[d], bytes, (uint64_t)(b * N_DEPTHS + d),
                                &drive->scratch, &p, err);
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
    return result;
}

int cmd_disk(int argc, char **argv)
{
    int json = 0, n_rest;
    uint64_t bytes = 256 << 20;
    const char *path = NULL;
    const struct flag mine[] = {
        {"--json", NULL, FLAG_SWITCH, &json, 0, 0, NULL, "for programs"},
        {"--bytes", NULL, FLAG_BYTES, &bytes, 1, 0, "BYTES", "read for each figure (default 256M)"},
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
    struct drive drive;
    if (drive_open(&drive, path))
        return 1;
    if (drive_take_memory(&drive)) {
        drive_close(&drive);
        return 1;
    }
    struct error err = {0};
    json_t *rows = json ? json_array() : NULL;
    int failed = probe_all(&drive, bytes, rows, &err);
    if (rows) {
        json_dumpf(rows, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
        putchar('\n');
        json_decref(rows);
    }
    if (failed)
        fprintf(stderr, "stoker: %s\n", err.text);
    drive_close(&drive);
    return failed ? 1 : 0;
}
