/* PDF to sections (library.md 10), by the program pdftotext in a process of its own, which may take a minute and 1 GiB: what can go wrong
 * in a file of PDF goes wrong there. */
#ifndef LIBRARY_DOCUMENT_PDF_H
#define LIBRARY_DOCUMENT_PDF_H

#include "library/document/text.h"

enum {
    PDF_SECONDS = 60,
    PDF_MEMORY = 1 << 30,
    PDF_TEXT = 64 << 20 /* bytes of text */
};

/* pdftotext is there. -1: the sentence names the package. */
int pdf_ready(struct error *err);

/* Of the file that is open as fd: a section a page, its anchor page=N, as browsers have it. */
int pdf_sections(int fd, int seconds, const char *title, const struct text_sink *sink, struct error *err);

#endif
