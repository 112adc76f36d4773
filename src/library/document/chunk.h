/* Sections in pieces that are found and shown one by one (library.md 10): lines packed while a chunk stays short, long lines cut behind
 * their sentences, nothing across sections. It is a sink: what is held is one chunk, and the one before it. */
#ifndef LIBRARY_DOCUMENT_CHUNK_H
#define LIBRARY_DOCUMENT_CHUNK_H

#include "library/document/text.h"

enum { CHUNK_TARGET = 1200, CHUNK_MOST = 1600, CHUNK_TAIL = 200 };

struct chunk {
    const struct text_section *section;
    const char *text;
    size_t n;
};

struct chunker {
    void *arg;
    void (*chunk)(void *arg, const struct chunk *c);
    struct text_section section;
    char path[TEXT_PATH][TEXT_HEADING + 4], anchor[TEXT_ANCHOR];
    char line[CHUNK_MOST + 8]; /* of the line that is being read: what is not in a chunk yet */
    size_t n_line;
    int is_cut; /* something of the line is in a chunk: what follows begins without blanks */
    char now[CHUNK_MOST + 8], last[CHUNK_MOST + 8]; /* the chunk that grows, and the one before it */
    size_t n_now, n_last;
};

/* The sink of c, which is all that has to be used; chunker_end() behind the last line. */
struct text_sink chunker_begin(struct chunker *c, void (*chunk)(void *arg, const struct chunk *c), void *arg);
void chunker_end(struct chunker *c);

#endif
