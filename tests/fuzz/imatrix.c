/* links: quant machine kernel format base
 *
 * Fuzz target: a file of importance, of either form. Whatever the bytes are, opening ends with entries in order whose sums and counts are
 * finite and give every matrix weights that are numbers, or with a sentence. Seeds: one of each form. */
#include "quant/importance.h"

#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        __builtin_trap();
}

static void check_weights(const struct importance_values *v, uint64_t n_cols, uint64_t n_mat)
{
    float *w = malloc(n_cols * sizeof *w);
    for (uint64_t i = 0; w && i < n_mat; i++) {
        importance_of(v, n_cols, i, w);
        for (uint64_t k = 0; k < n_cols; k++)
            require(w[k] >= 0);
    }
    free(w);
}

static void check_values(const struct importance *m, const struct importance_entry *e)
{
    float *room = malloc(importance_floats(e) * sizeof *room);
    struct importance_values v;
    struct error err = {0};
    if (room) {
        require(importance_read(m, e, room, &v, &err) == 0);
        check_weights(&v, e->n_cols, e->n_mat);
        if (e->n_mat == 1 && e->n_cols % 2 == 0 && importance_fits(e, e->n_cols / 2, 2)) /* heads, one after another */
            check_weights(&v, e->n_cols / 2, 2);
    }
    free(room);
}

static void check(const struct importance *m)
{
    require(m->n_entry > 0 && m->dataset && strlen(m->sha256) == 2 * SHA256_BYTES);
    for (uint64_t i = 0; i < m->n_entry; i++) {
        const struct importance_entry *e = &m->entry[i];
        require(i == 0 || strcmp(m->entry[i - 1].name, e->name) < 0);
        require(importance_named(m, e->name) == e && e->n_cols > 0 && e->n_mat > 0 && e->n_counts > 0);
        require(importance_find(m, e->name) == e || e->is_empty);
        for (uint64_t k = 0; k < e->n_mat; k++)
            require(importance_rows(e, k) >= 0);
        require(importance_fits(e, e->n_cols, e->n_mat));
        check_values(m, e);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz.imatrix", 0);
    char path[64];
    struct importance *m = NULL;
    struct error err = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        if (importance_open(&m, path, &err) == 0)
            check(m);
        else
            require(err.code != ERR_NONE && err.text[0]);
    }
    importance_close(m);
    close(fd);
    return 0;
}
