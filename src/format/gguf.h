/* GGUF files, parsed into a checked description.
 *
 * Versions 2 and 3, one file or a split set (name-00001-of-0000N.gguf: the first part is opened, the others are found beside
 * it). gguf_open() checks every offset, length and count against the size of its file, so [offset, offset + n_bytes) of a tensor
 * needs no further check. Strings of the file are bytes with a length; a NUL byte is added after them. Offsets and sizes are bytes.
 * After gguf_open() nothing changes, so threads may share a struct gguf; all that it points to, and all that the functions return, lives
 * until gguf_close().
 * The description lives in one growing arena (arena.total is its share of the memory plan; about twice the header, which may
 * have 256 MiB); the header is read in 1 MiB buffered reads that are dropped from the page cache. Files stay open until gguf_close().
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md */
#ifndef FORMAT_GGUF_H
#define FORMAT_GGUF_H

#include "base/arena.h"
#include "format/types.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct error;

enum gguf_kind { /* of metadata values; numbers of the format */
                 GGUF_U8,
                 GGUF_I8,
                 GGUF_U16,
                 GGUF_I16,
                 GGUF_U32,
                 GGUF_I32,
                 GGUF_F32,
                 GGUF_BOOL,
                 GGUF_STRING,
                 GGUF_ARRAY,
                 GGUF_U64,
                 GGUF_I64,
                 GGUF_F64
};

enum { GGUF_MAX_DIMS = 4 };

struct gguf_string {
    const char *text; /* NUL behind the last byte; may hold NULs */
    uint64_t length;
};

struct gguf_value {
    struct gguf_string key;
    enum gguf_kind kind, item; /* item: kind of an array's items */
    uint64_t n;                /* items of an array; 1 for a single value */
    union {
        uint64_t u; /* unsigned kinds, bool */
        int64_t i;  /* signed kinds */
        double f;   /* f32, f64 */
        struct gguf_string string;
        const void *items;                 /* array of numbers, packed as in the file (little-endian, aligned to 8) */
        const struct gguf_string *strings; /* array of strings */
    } as;
};

struct gguf_tensor {
    const char *name;
    enum block_type type;
    int n_dims;
    uint64_t ne[GGUF_MAX_DIMS]; /* row length first; 1 beyond n_dims */
    int file;                   /* which part: index into gguf.file */
    uint64_t offset;            /* from the beginning of that part */
    uint64_t n_bytes;           /* rows of blocks, without gaps (format/types.h) */
};

struct gguf_file {
    const char *path;
    int fd;                    /* buffered, read only */
    uint64_t size, data_start; /* data_start: offset of the first tensor */
    dev_t dev;                 /* these three: when it was opened, to see that it has changed */
    ino_t ino;
    struct timespec mtime;
};

struct gguf {
    struct gguf_file *file; /* [n_file] parts in their order */
    int n_file;
    uint32_t version, alignment; /* alignment of tensors, bytes */
    struct gguf_value *value;    /* [n_value] of the first part, in file order */
    uint64_t n_value;
    struct gguf_tensor *tensor; /* [n_tensor] in file order, parts one after another */
    uint64_t n_tensor;
    int header_only; /* 1: opened by gguf_open_header() */
    struct arena arena;
    struct gguf_index *index; /* hash tables of keys and names */
};

/* -1: ERR_IO, ERR_FORMAT, ERR_MEMORY or ERR_UNSUPPORTED with the sentence: which file, which key or tensor, what was found; *out is NULL
 * then. gguf_close() frees g and closes the files; NULL: nothing. */
int gguf_open(struct gguf **out, const char *path, struct error *err);

/* The same of files of which only the beginning is here, as of a download: headers must be whole, tensors may lie behind the end, and each
 * file's size is what its header speaks of. A header that goes on is ERR_FORMAT, and the sentence tells how many bytes more it takes at
 * least. */
int gguf_open_header(struct gguf **out, const char *path, struct error *err);
/* The same of one small file that others choose: no part of a set, of at most so many bytes, of which its header has at most so many
 * (memory: some five times these). dir AT_FDCWD: path is any path. Else it is an entry of that open folder: it is no path, does not begin
 * with ".", is no link and lies on the same device. ERR_INPUT: the name is none of that; the sentence shows it. */
struct gguf_small {
    int dir;
    uint64_t file, header;
};
int gguf_open_small(struct gguf **out, const char *path, const struct gguf_small *small, struct error *err);
void gguf_close(struct gguf *g);

/* By name. NULL: the file has none. */
const struct gguf_value *gguf_find(const struct gguf *g, const char *key);
const struct gguf_tensor *gguf_tensor(const struct gguf *g, const char *name);

enum { GGUF_LAYERS_MOST = 100000 }; /* names have five digits of a layer */

/* The N of a tensor name "blk.N.REST", and *rest: REST, within name; other names: -1, and *rest is the whole name. */
int gguf_layer_of(const char *name, const char **rest);

/* Is it a tensor that files may hold beside the model of text: of towers and projectors of images and sound, of layers that predict further
 * tokens, a scale for activations of four bits, which are not rounded here? rest: what gguf_layer_of() gives. */
int gguf_is_beside_text(const char *rest);

/* Has this layer a tensor that only layers of multi-token prediction have? One is enough: one that lacks another of them is damaged, and
 * none of the model's own. */
int gguf_predicts(const struct gguf *g, uint64_t layer);

/* How many of the last of n_layer layers serve multi-token prediction only; n_stated: the number that the file's key gives. Files without
 * these layers often keep that key, so a layer that it tells of counts only if it has the tensors of such a layer, or none at all; others,
 * which the key leaves out, if they have them. 0 where n_layer is more than GGUF_LAYERS_MOST. */
uint64_t gguf_draft_layers(const struct gguf *g, uint64_t n_layer, uint64_t n_stated);

/* The first of these layers, by the keys of the file's architecture; UINT64_MAX: there is none. */
uint64_t gguf_first_draft(const struct gguf *g);

/* The value of a key. 1: found, and *out is set; 0: absent; -1 with ERR_FORMAT: of another kind, or outside [min, max] (the sentence names
 * all). *out is unchanged but after 1. Any integer kind will do for u64; any integer or float kind for f64. */
int gguf_u64(const struct gguf *g, const char *key, uint64_t min, uint64_t max, uint64_t *out, struct error *err);
int gguf_f64(const struct gguf *g, const char *key, double min, double max, double *out, struct error *err);
int gguf_bool(const struct gguf *g, const char *key, int *out, struct error *err);
int gguf_str(const struct gguf *g, const char *key, struct gguf_string *out, struct error *err);

/* Item i < v->n of an array of numbers. int: of integers or bools, else 0; float: of any numbers. */
int64_t gguf_item_int(const struct gguf_value *v, uint64_t i);
double gguf_item_float(const struct gguf_value *v, uint64_t i);

/* "u32", "string", ...; static. "unknown": no kind has this number. */
const char *gguf_kind_name(enum gguf_kind k);
size_t gguf_kind_bytes(enum gguf_kind k); /* of a single value; 0: it depends */

#endif
