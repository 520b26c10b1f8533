/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz targets of the xenstore daemon: wire (requests from domains and sockets), journal (a file with groups of
 * operations), state (the stream of a live update), ring (a page that the domain changes at any time). The store must stay consistent, answer every request, and keep a domain
 * within its limits.
 */
#ifndef XS_FUZZ_H
#define XS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* The longest input that makes sense, bytes. */
#define FUZZ_INPUT_MAX 8192

/* Run one input; aborts with a message when something is wrong. */
void xs_fuzz(const char *target, const uint8_t *in, size_t len);

/* An input to start from, at most max bytes; its length. */
size_t xs_fuzz_seed(const char *target, uint8_t *in, size_t max);

#endif
