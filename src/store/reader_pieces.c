/* Completions: a piece has been read as a whole or in part, is tried again after a pause, or fails its request. See reader.h. */
#include "base/clock.h"
#include "store/reader_inside.h"

#include <errno.h>

enum { MAX_TRIES = 3, EAGAIN_AT_ONCE = 16 };
static const uint64_t pause_ns[MAX_TRIES] = {0, 10000000, 100000000}; /* before attempt 2 and 3 */
static const uint64_t eagain_pause_ns = 1000000;

static void free_piece(struct reader *r, struct piece *p)
{
    p->request = NULL;
    p->next = r->free;
    r->free = p;
}

static void hold(struct reader *r, struct piece *p, uint64_t pause)
{
    p->due_ns = pause ? clock_ns() + pause : 0;
    p->next = r->held;
    r->held = p;
    p->request->pieces_held++;
}

static void drop_held(struct reader *r, struct read_request *q)
{
    for (struct piece **at = &r->held; *at && q->pieces_held > 0;) {
        struct piece *p = *at;
        if (p->request != q) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        q->pieces_held--;
        free_piece(r, p);
    }
}

static void lose_pieces(struct reader *r, const struct read_request *q)
{
    for (int i = 0; i < r->capacity && q->pieces_out > 0; i++) {
        struct piece *p = &r->piece[i];
        if (p->request != q)
            continue;
        p->lost = 1;
        r->drive[r->files.drive[p->copy_index]].bytes_out -= p->length;
    }
    r->lost += q->pieces_out;
}

void reader_give_up(struct reader *r, struct read_request *q)
{
    if (q->cut > 0)
        ages_remove(&r->ages, q);
    if (q->cut < range_length(r, q))
        forget_uncut(r, q);
    drop_held(r, q);
    q->list->active--;
    lose_pieces(r, q);
}

void reader_fail(struct reader *r, struct read_request *q, int copy_index, int cause, int number)
{
    reader_give_up(r, q);
    q->failed_copy = copy_index;
    q->state = READ_FAILED;
    q->cause = cause;
    q->failed_errno = number;
    q->draining = q->pieces_out > 0;
    finished_append(q);
}

static void finish_if_whole(struct reader *r, struct read_request *q)
{
    if (q->pieces_out > 0 || q->pieces_held > 0 || q->cut < range_length(r, q))
        return;
    ages_remove(&r->ages, q);
    q->list->active--;
    q->state = READ_DONE;
    finished_append(q);
}

static void piece_done(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    free_piece(r, p);
    finish_if_whole(r, q);
}

/* Try again after a pause, or fail the request when its attempts are used up. */
static void try_again(struct reader *r, struct piece *p, int cause, int number)
{
    struct read_request *q = p->request;
    if (++p->tries >= MAX_TRIES) {
        free_piece(r, p);
        reader_fail(r, q, p->copy_index, cause, number);
        return;
    }
    count(&r->retries, 1);
    if (r->files.n_copy > 1)
        p->copy_index += p->copy_index < r->files.n ? r->files.n : -r->files.n;
    hold(r, p, r->files.n_copy > 1 && p->tries == 1 ? 0 : pause_ns[p->tries]);
}

/* Fewer bytes than wanted: the file has shrunk, or the device returns them in portions. Then the read continues from the last aligned
 * boundary; a portion that does not reach one counts as a failed attempt. */
static void short_read(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    count(&r->shorts, 1);
    uint64_t size;
    if (reader_file_size(&r->files, p->copy_index, &size) == 0 && size < q->offset + q->length) {
        q->found_size = size;
        free_piece(r, p);
        reader_fail(r, q, p->copy_index, FAIL_SHRUNK, 0);
        return;
    }
    uint32_t whole = (uint32_t)round_down((uint64_t)p->result, r->align);
    if (whole == 0) {
        try_again(r, p, FAIL_SHORT, 0);
        return;
    }
    p->offset += whole;
    p->to += whole;
    p->length -= whole;
    p->tries = 0;
    hold(r, p, 0);
}

static void read_error(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    int number = -p->result;
    int again = number == EAGAIN || number == EINTR;
    if (again) {
        count(&r->retries, 1);
        hold(r, p, ++p->busy > EAGAIN_AT_ONCE ? eagain_pause_ns : 0);
    } else if ((number == EINVAL || number == EOPNOTSUPP) && p->direct) {
        reader_files_refuse_direct(&r->files, p->copy_index);
        count(&r->retries, 1);
        hold(r, p, 0);
    } else if (number == EIO) {
        try_again(r, p, FAIL_ERRNO, EIO);
    } else {
        free_piece(r, p);
        reader_fail(r, q, p->copy_index, FAIL_ERRNO, number);
    }
}

/* The device is done with a piece of a request that was given up. */
static void on_lost_completion(struct reader *r, struct piece *p)
{
    struct read_request *q = p->request;
    r->lost--;
    p->lost = 0;
    free_piece(r, p);
    if (q && q->pieces_out == 0) {
        q->draining = 0;
        finished_append(q);
    }
}

void reader_on_completion(struct reader *r, struct piece *p, uint64_t now)
{
    struct read_request *q = p->request;
    int drive = r->files.drive[p->copy_index];
    r->drive[drive].completion_ns = now;
    if (!p->lost)
        r->drive[drive].bytes_out -= p->length;
    if (p->result > 0) {
        count(&r->bytes, (uint64_t)p->result);
        count(&r->drive_bytes[drive], (uint64_t)p->result);
    }
    if (q)
        q->pieces_out--;
    if (p->lost)
        on_lost_completion(r, p);
    else if (p->result < 0)
        read_error(r, p);
    else if (p->offset + (uint32_t)p->result >= p->need)
        piece_done(r, p);
    else
        short_read(r, p);
}

struct piece *reader_next_held(struct reader *r, uint64_t now)
{
    for (struct piece **at = &r->held; *at; at = &(*at)->next) {
        struct piece *p = *at;
        if (p->due_ns > now)
            continue;
        *at = p->next;
        p->request->pieces_held--;
        return p;
    }
    return NULL;
}
