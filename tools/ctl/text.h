// Values as people read them.
#ifndef TOOLS_CTL_TEXT_H
#define TOOLS_CTL_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "shared/abi.h"

#define TEXT_BYTES 80

void text_count(char out[TEXT_BYTES], uint64_t n); // 1,234,567
void text_bytes(char out[TEXT_BYTES], uint64_t n); // 512 B, 1.5 MB (powers of 1000)
void text_us(char out[TEXT_BYTES], uint64_t us); // 87 us, 1.5 ms, 2.0 s, 3 h 05 min
void text_rate(char out[TEXT_BYTES], double per_s); // 12.5/s, 1,234/s
void text_addr(char out[TEXT_BYTES], const struct ob_addr *a);
void text_addr_port(char out[TEXT_BYTES], const struct ob_addr *a, uint16_t port);

#endif
