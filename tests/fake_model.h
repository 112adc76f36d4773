/* Files of random bytes that stand for a model: layers of experts at awkward offsets, and a copy in memory to compare with.
 *
 * Tensors follow each other with gaps that walk through the 128 residues of 32 modulo 4096; slices have odd lengths; the last
 * expert of the last tensor ends where the file ends. */
#ifndef TESTS_FAKE_MODEL_H
#define TESTS_FAKE_MODEL_H

#include "base/arena.h"
#include "base/error.h"
#include "base/rng.h"
#include "format/gguf.h"
#include "store/expert_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FAKE_LAYERS = 64, FAKE_FILES = 4 };

struct fake_model {
    struct gguf_file file[FAKE_FILES];
    char path[FAKE_FILES][200];
    uint8_t *bytes[FAKE_FILES];
    int n_file;
    struct expert_layer layer[FAKE_LAYERS];
    char tensor[FAKE_LAYERS][EXPERT_PARTS][40];
    int n_layer;
};

static inline uint64_t fake_random(uint64_t seed, uint64_t at) { return rng_u64(seed, at, 7, 0); }

static inline const char *fake_dir(void)
{
    const char *dir = getenv("TMPDIR");
    return dir && *dir ? dir : "/tmp";
}

/* Remove what killed tests left in a folder: names with the id of a process that no longer exists. */
static inline void fake_clean(const char *dir)
{
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        int pid = 0;
        char dash = 0;
        int mirror = sscanf(e->d_name, "stoker-mirror-%d%c", &pid, &dash) > 0;
        if (!mirror)
            sscanf(e->d_name, "stoker-store-%d%c", &pid, &dash);
        if (pid <= 0 || dash != '-' || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path && mirror)
            fake_clean(path);
        unlinkat(dirfd(d), e->d_name, mirror ? AT_REMOVEDIR : 0);
    }
    if (d)
        closedir(d);
}

/* A file of size random bytes in dir; it has a name until fake_remove(). */
static inline void fake_file(struct fake_model *m, const char *dir, uint64_t size)
{
    fake_clean(dir);
    int i = m->n_file++;
    uint64_t words = (size + 7) / 8;
    m->bytes[i] = malloc(words * 8);
    uint64_t x = 88172645463325252u + (uint64_t)i;
    for (uint64_t k = 0; k < words; k++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(m->bytes[i] + 8 * k, &x, 8);
    }
    snprintf(m->path[i], sizeof m->path[i], "%s/stoker-store-%d-%d-XXXXXX", dir, (int)getpid(), i);
    int fd = mkstemp(m->path[i]);
    for (uint64_t done = 0; done < size;) {
        ssize_t n = write(fd, m->bytes[i] + done, size - done);
        if (n <= 0)
            abort();
        done += (uint64_t)n;
    }
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
    fd = open(m->path[i], O_RDONLY | O_CLOEXEC);
    struct stat st;
    fstat(fd, &st);
    m->file[i] = (struct gguf_file){m->path[i], fd, size, 0, st.st_dev, st.st_ino, st.st_mtim};
}

static inline void fake_remove(struct fake_model *m)
{
    for (int i = 0; i < m->n_file; i++) {
        close(m->file[i].fd);
        unlink(m->path[i]);
        free(m->bytes[i]);
    }
    *m = (struct fake_model){.n_file = 0};
}

/* n_layer layers over n_file files; every fifth layer streams nothing; layers with odd numbers have two parts of other sizes: a
 * second class. */
static inline void fake_experts(struct fake_model *m, const char *dir, int n_layer, int n_expert, uint64_t slice,
                                int n_file)
{
    static const char *part_name[EXPERT_PARTS] = {"gate", "up", "down"};
    uint64_t end[FAKE_FILES] = {0};
    int k = 0;
    *m = (struct fake_model){.n_layer = n_layer};
    for (int l = 0; l < n_layer; l++) {
        int f = l * n_file / n_layer, odd = l % 2;
        m->layer[l] = (struct expert_layer){.layer = l, .n_expert = l % 5 == 4 ? 0 : n_expert, .n_part = odd ? 2 : 3};
        for (int p = 0; p < m->layer[l].n_part && m->layer[l].n_expert > 0; p++, k++) {
            uint64_t at = (end[f] + 4095) / 4096 * 4096 + (uint64_t)(k % 128) * 32;
            uint64_t bytes = slice + (uint64_t)odd * slice + (uint64_t)p * 17;
            snprintf(m->tensor[l][p], sizeof m->tensor[l][p], "blk.%d.ffn_%s_exps.weight", l, part_name[p]);
            m->layer[l].part[p] = (struct expert_extent){m->tensor[l][p], f, at, bytes};
            end[f] = at + bytes * (uint64_t)n_expert;
        }
    }
    for (int f = 0; f < n_file; f++)
        fake_file(m, dir, end[f]);
}

#endif
