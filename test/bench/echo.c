// The limit: a server that only sends every datagram back, by recvmmsg and sendmmsg, 64 at a call (with
// 128, as udp-batch.ts does, it is no faster). What it needs for a datagram is the kernel's share of an answer. nameserver.ts builds and runs it.
//
// echo HOST [MORE]   prints its port, and serves until it is killed. With MORE it sends so many octets more than it got:
//                    answers are longer than their questions.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64

#define RECEIVED 4160

static char octets[BATCH][RECEIVED + 512];

int main(int argc, char **argv) {
  const char *host = argc > 1 ? argv[1] : "127.0.0.1";
  unsigned more = argc > 2 ? atoi(argv[2]) : 0;
  if (more > 512) return 2;
  struct sockaddr_storage address = {0}, names[BATCH];
  struct sockaddr_in *four = (struct sockaddr_in *)&address;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
  socklen_t length = sizeof *four;
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
  } else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    length = sizeof *six;
  } else {
    fprintf(stderr, "%s: no address\n", host);
    return 2;
  }
  int fd = socket(address.ss_family, SOCK_DGRAM, 0), room = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, length) || getsockname(fd, (struct sockaddr *)&address, &size)) {
    perror("bind");
    return 1;
  }
  printf("%d\n", ntohs(four->sin_port));
  fflush(stdout);
  struct mmsghdr headers[BATCH] = {0};
  struct iovec vectors[BATCH];
  for (int i = 0; i < BATCH; i++) {
    vectors[i].iov_base = octets[i];
    headers[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_namelen = length, .msg_iov = &vectors[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; i < BATCH; i++) vectors[i].iov_len = RECEIVED;
    int count = recvmmsg(fd, headers, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < count; i++) vectors[i].iov_len = headers[i].msg_len + more;
    for (int sent = 0; sent < count;) {
      int result = sendmmsg(fd, headers + sent, count - sent, 0);
      sent += result > 0 ? result : 1;
    }
  }
}
