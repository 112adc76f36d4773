/* Reading the header of one GGUF file; gguf.c joins the files of a set. Internal to format/.
 *
 * A header, all little-endian (version 2 and 3):
 *
 *   "GGUF"  u32 version  u64 n_tensor  u64 n_value
 *   n_value  x  string key, u32 kind, value           string: u64 length, bytes; array: u32 kind, u64 n, items
 *   n_tensor x  string name, u32 n_dims, u64 ne[n_dims], u32 type, u64 offset
 *   padding to the alignment; offsets count from here
 *
 * Every count and length is bounded by the bytes that are left before memory is taken for it, so memory is proportional to
 * what the header really holds. */
#ifndef FORMAT_GGUF_HEADER_H
#define FORMAT_GGUF_HEADER_H

#include "base/arena.h"
#include "base/error.h"
#include "format/gguf.h"

/* Where we are in a file. Strings and tables go to the arena. */
struct gguf_cursor {
    struct gguf_file *file;
    int part;        /* number of the file in its set */
    int header_only; /* tensors may lie behind the end of the file: gguf_open_header() */
    struct arena *arena;
    struct error *err;
    uint8_t *buffer; /* holds the bytes [start, start + have) of the file; the next one is start + at */
    uint64_t start, end;
    size_t have, at;
    char *pool; /* memory for short strings */
    size_t pool_left;
    const char *role; /* what is being read, for sentences: "key NAME", or "key 3" while it has no name */
    struct gguf_string name;
    uint64_t number;
};

/* The description of one file. The arrays are in the arena. */
struct gguf_part {
    uint32_t version, alignment;
    struct gguf_value *value;
    uint64_t n_value;
    struct gguf_tensor *tensor;
    uint64_t n_tensor;
};

/* Text from a file as a sentence can show it: printable, short. Use as shown(s).text. */
struct shown {
    char text[84];
};
struct shown shown(struct gguf_string s);
struct gguf_string gguf_text(const char *text);

/* The file's fields fd and size are set. 0 or -1 (ERR_MEMORY); gguf_cursor_end() in either case. */
int gguf_cursor_begin(struct gguf_cursor *c, struct gguf_file *file, int part, struct arena *arena, struct error *err);
void gguf_cursor_end(struct gguf_cursor *c);

/* First the head and the keys, then the tensors, which are checked against each other and against the file. */
int gguf_read_keys(struct gguf_cursor *c, struct gguf_part *p);
int gguf_read_tensors(struct gguf_cursor *c, struct gguf_part *p);

/* The whole number of a value, as gguf_u64() does it. */
int gguf_value_u64(const char *path, const struct gguf_value *v, uint64_t min, uint64_t max, uint64_t *out,
                   struct error *err);
const struct gguf_value *gguf_part_find(const struct gguf_part *p, const char *key);

#endif
