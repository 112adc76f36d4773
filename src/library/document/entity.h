/* Character references that Markdown passes on as they are: numbers, and the names that texts use. HTML has libxml2 for them. */
#ifndef LIBRARY_DOCUMENT_ENTITY_H
#define LIBRARY_DOCUMENT_ENTITY_H

#include <stddef.h>
#include <stdint.h>

/* Of "&name;" or "&#n;": the character, or 0. */
uint32_t entity_character(const char *text, size_t n);

#endif
