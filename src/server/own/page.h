/* The page at "/": one document, made of src/server/own/page/ when the program is built. */
#ifndef SERVER_OWN_PAGE_H
#define SERVER_OWN_PAGE_H

struct http_exchange;

/* The handler of "/": answers x with the page; with --no-page: 404. */
void page_handle(struct http_exchange *x);

#endif
