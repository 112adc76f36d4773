/* labels.json of sparse autoencoders: see sae.h. One allocation, with the file's text in it; a label is unescaped where it stands, since no
 * escape is shorter than its character. */
#include "format/sae.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file_name[] = "labels.json";

struct sae_labels {
    uint64_t bytes;
    int n, n_feature;
    char *text;
    uint32_t at[]; /* [n_feature] where in text; 0: it has none */
};

static uint64_t bytes_for(uint64_t size, int n_feature)
{
    return sizeof(struct sae_labels) + (uint64_t)n_feature * sizeof(uint32_t) + size;
}

uint64_t sae_labels_look(int folder, int follows, int n_feature)
{
    struct stat st;
    if (fstatat(folder, file_name, &st, follows ? 0 : AT_SYMLINK_NOFOLLOW) || st.st_size < 0)
        return 0;
    return bytes_for(st.st_size < SAE_LABELS ? (uint64_t)st.st_size : SAE_LABELS, n_feature);
}

/* The number in a key with its quotes, as it is written without leading zeros; -1: it is another word. */
static int number_in(const char *key, size_t n)
{
    int number = 0;
    if (n < 3 || n > 10 || (key[1] == '0' && n > 3))
        return -1;
    for (size_t i = 1; i + 1 < n; i++) {
        if (key[i] < '0' || key[i] > '9')
            return -1;
        number = 10 * number + (key[i] - '0');
    }
    return number;
}

/* A string with its quotes becomes its text, from its first byte on. -1: it is no UTF-8, or has a zero byte in it. */
static int unescape(char *text, size_t n)
{
    struct json_piece p;
    char *to = text;
    for (size_t at = 1; json_piece(text, n, &at, &p); to += p.n) {
        if (p.is == JSON_NOT_UTF8 || p.is == JSON_HALF_PAIR || memchr(p.text, 0, p.n))
            return -1;
        memmove(to, p.text, p.n);
    }
    *to = 0;
    return 0;
}

/* Keys that are no features, and values that are no texts, are left out. -1: it is no such object, or says something twice. */
static int take_all(struct sae_labels *l, size_t n)
{
    struct json_scan s;
    struct json_item m;
    size_t at = 0;
    if (json_whole(l->text, n) != '{')
        return -1;
    json_scan_begin(&s, JSON_DEPTH);
    while (json_next(&s, l->text, n, &at, &m)) {
        int j = number_in(l->text + m.key, m.key_n);
        if (j < 0 || j >= l->n_feature || l->text[m.value] != '"')
            continue;
        if (l->at[j] || unescape(l->text + m.value, m.value_n))
            return -1;
        l->at[j] = (uint32_t)m.value;
        l->n++;
    }
    return 0;
}

static int read_file(struct sae_labels **out, int fd, int n_feature, const char *name, struct error *err)
{
    struct stat st;
    const char *why;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        return error_set(err, ERR_FORMAT, "%s/%s: not a regular file", name, file_name);
    if (st.st_size > SAE_LABELS)
        return error_set(err, ERR_FORMAT, "%s/%s: larger than %d bytes", name, file_name, SAE_LABELS);
    size_t n = (size_t)st.st_size;
    uint64_t bytes = bytes_for(n, n_feature);
    struct sae_labels *l = calloc(1, (size_t)bytes);
    if (!l)
        return error_set(err, ERR_MEMORY, "%s/%s: no memory for reading it", name, file_name);
    l->bytes = bytes;
    l->n_feature = n_feature;
    l->text = (char *)(l->at + n_feature);
    int failed = file_read_at(fd, l->text, n, 0, &why)
                     ? error_set(err, ERR_IO, "%s/%s: cannot be read: %s", name, file_name, why)
                 : take_all(l, n) ? error_set(err, ERR_FORMAT, "%s/%s: an object {\"NUMBER\": \"text\"} is expected",
                                              name, file_name)
                                  : 0;
    if (failed)
        free(l);
    else
        *out = l;
    return failed;
}

int sae_labels_open(struct sae_labels **out, int folder, int follows, int n_feature, const char *name,
                    struct error *err)
{
    int fd = openat(folder, file_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | (follows ? 0 : O_NOFOLLOW));
    *out = NULL;
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_set(err, ERR_FORMAT, "%s/%s: cannot be opened: %s", name, file_name, strerror(errno));
    int failed = read_file(out, fd, n_feature, name, err);
    close(fd);
    return failed;
}

const char *sae_label(const struct sae_labels *l, int feature)
{
    return l && feature >= 0 && feature < l->n_feature && l->at[feature] ? l->text + l->at[feature] : NULL;
}

int sae_labels_count(const struct sae_labels *l) { return l ? l->n : 0; }

uint64_t sae_labels_bytes(const struct sae_labels *l) { return l ? l->bytes : 0; }

void sae_labels_close(struct sae_labels *l) { free(l); }
