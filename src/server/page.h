/* The page at "/": one document, made of src/server/page/ when the program is built. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

struct http_exchange;

/* With --no-page: 404. */
void page_handle(struct http_exchange *x);

#endif
