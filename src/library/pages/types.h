/* Types under which pages are answered: a fixed list, of what browsers show without running it. */
#ifndef LIBRARY_PAGES_TYPES_H
#define LIBRARY_PAGES_TYPES_H

#include <stddef.h>

/* As an archive says it, parameters behind ";"; what is not on the list is application/octet-stream. A text that is UTF-8 is said to be. */
const char *page_type(const char *mime, const char *bytes, size_t n);
/* Of a file by its name's ending; NULL: it is no page as it is. */
const char *page_mime_of_file(const char *name);

#endif
