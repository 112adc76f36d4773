/* HTML to sections, by libxml2's SAX parser (library.md 10), which is loaded when the first document comes: with it come 37 MiB of mappings
 * that no other command should carry. */
#ifndef LIBRARY_DOCUMENT_HTML_H
#define LIBRARY_DOCUMENT_HTML_H

#include "library/document/text.h"

/* libxml2 is there. -1: the sentence names the package. */
int html_ready(struct error *err);

/* title: where the document has none. */
int html_sections(const struct text_input *in, const char *title, const struct text_sink *sink, struct error *err);

#endif
