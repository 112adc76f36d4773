/* A page of the text that a source keeps of a document: its sections, with their headings and anchors, and their lines. */
#ifndef LIBRARY_PAGES_KEPT_H
#define LIBRARY_PAGES_KEPT_H

#include "library/source.h"

/* Appends it to out, at most `most` bytes and a sentence where it is cut; why: a sentence that it begins with, or NULL. 1: done; 0: the
 * source has no document of this path; -1: *err. */
int kept_page(struct source *s, const char *path, const char *why, size_t most, struct buffer *out, struct error *err);

#endif
