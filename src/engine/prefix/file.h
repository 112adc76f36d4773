/* A piece of a known prefix in a file: a page of keys and values, or a position to resume at (its partly filled page, its state).
 *
 *     header    4096 bytes: struct prefix_record, the piece's own ids, a checksum of all that
 *     before    the ids of all positions before the piece: ids are compared, not hashes
 *     payload   the page of each kind that is there, then the state; then what the layer that predicts further tokens has of these pages,
 *               where the writer had it; the file ends at a multiple of 4096
 *
 * Named by its hash, DIR/HH/HASH.sk, written as a temporary file and renamed. Files come from outside: nothing in them is
 * used before it was compared or checksummed. Little-endian. */
#ifndef ENGINE_PREFIX_FILE_H
#define ENGINE_PREFIX_FILE_H

#include "engine/prefix/cache.h"

/* The version rises with the layout, and with every change that gives pages other bits. */
enum { PREFIX_VERSION = 4, PREFIX_BLOCK = 4096 };

struct prefix_record {
    uint64_t base, key;    /* of the cache; of the piece: prefix_key() */
    uint64_t hash, parent; /* its name; of the whole pages before it, base where there are none */
    uint32_t first, count; /* positions: of the page's first id; ids of the page, 1 to 256 */
    uint32_t kinds;        /* bit k: the page of kind k is there */
    uint32_t has_state;
    uint64_t payload;                 /* bytes */
    uint64_t before_sum, payload_sum; /* set by prefix_file_seal() */
};

/* The name of a position to resume at, after ids [n] of the page after parent. */
uint64_t prefix_ending_hash(uint64_t parent, uint64_t key, const int32_t *ids, int n);

/* Bytes of a file, and where its payload begins. */
uint64_t prefix_file_bytes(const struct prefix_record *r);
uint64_t prefix_file_payload(const struct prefix_record *r);

/* Where an image [prefix_file_bytes] holds the piece's own ids, and those before it. */
int32_t *prefix_image_own(uint8_t *image);
int32_t *prefix_image_before(uint8_t *image);

/* Writes checksums and header of an image that has its ids and payload. */
void prefix_file_seal(struct prefix_record *r, uint8_t *image);

/* Writes it into the folder. -1: neither the file nor a part of it is there. */
int prefix_file_write(int dir, uint64_t hash, const uint8_t *image, uint64_t n);

/* MISMATCH: it is of other ids. UNREADABLE: the system failed to read it, which says nothing of the file. CORRUPT: it is cut off, or its
 * contents are wrong. */
enum prefix_read { PREFIX_READ_OK, PREFIX_MISMATCH, PREFIX_UNREADABLE, PREFIX_CORRUPT };

/* The header of an open file; own [KV_PAGE]: its own ids, then zeros. */
enum prefix_read prefix_file_read_header(int fd, struct prefix_record *r, int32_t *own);

/* The rest of a file that was looked at: the ids before it must be these [r->first]; pieces of the payload, each to its place, or
 * passed over (to NULL). MISMATCH: it is of other ids. */
struct prefix_piece {
    uint8_t *to;
    uint64_t n;
};
enum prefix_read prefix_file_read(int fd, const struct prefix_record *r, const int32_t *before,
                                  const struct prefix_piece *piece, int n_piece);

/* "HH/HASH.sk" */
struct prefix_name {
    char text[32];
};
struct prefix_name prefix_file_name(uint64_t hash);

#endif
