// What was found in a capture: said once for each kind, with the first place, then counted.
#ifndef TOOLS_REPLAY_NOTES_H
#define TOOLS_REPLAY_NOTES_H

#include <stdint.h>

// name in the JSON, what to do
#define NOTES(X)                                                                                   \
	X(FILE_BROKEN, "file_broken", "what is before it is replayed; capture again")              \
	X(INTERFACES, "interfaces",                                                                \
		"what is before it is replayed; capture on one interface, or write one of them "   \
		"as pcap (tshark -Y frame.interface_id==0 -w, then editcap -F pcap -T ether)")     \
	X(CLOCK, "clock_set_back", "replayed as if it had gone on from there")                     \
	X(FRAME_BROKEN, "frame_broken", "left out")                                                \
	X(FRAME_CUT, "frame_cut", "what is missing is made up; capture with tcpdump -s 0")         \
	X(LINK_UNKNOWN, "link_unknown", "left out; capture on an Ethernet interface")              \
	X(FRAGMENT, "fragment", "left out; fragments are not put together")                        \
	X(IPV6, "ipv6", "left out; IPv4 only in this version")                                     \
	X(CHECKSUM, "checksum", "replayed with a wrong checksum, which the engine has to drop")    \
	X(CHECKSUM_SIDE, "checksum_offload",                                                       \
		"believed: the sender's NIC was to fill them in; capture at the receiver to know") \
	X(NO_SYN, "no_syn", "a handshake is made up; start the capture before the connection")     \
	X(NO_HANDSHAKE, "no_handshake", "not replayed; nobody answered the SYN")                   \
	X(ONE_SIDE, "one_side",                                                                    \
		"its bytes are made up in the right number; capture where both ways pass")         \
	X(SIDE_MISSING, "side_missing", "not replayed; try the other --side")                      \
	X(SIMULTANEOUS, "simultaneous_open", "not replayed; both sides sent a SYN first")          \
	X(UNSEEN, "unseen_bytes",                                                                  \
		"made up; the capture lost frames, take a larger buffer (tcpdump -B)")             \
	X(MISSING, "too_much_missing",                                                             \
		"the session is left out; capture all of it, or it is not one session")            \
	X(CONFLICT, "conflict", "the first copy is believed and sent")                             \
	X(BEFORE_START, "before_start", "left out; it belongs to what was before the capture")     \
	X(STRANGE, "strange_sequence", "left out; its numbers belong to no part of the session")   \
	X(FAST_OPEN, "fast_open",                                                                  \
		"sent behind the handshake as ordinary data; the engine has no TCP Fast Open")     \
	X(PORTS, "too_many_ports", "not replayed; let the engine listen on one port with --port")  \
	X(NO_END, "no_end", "the connection is aborted once everything has been checked")          \
	X(AUTHENTICATED, "authenticated", "left out; TCP-MD5 and TCP-AO cannot be signed again")

#define NOTE_ENUM(id, name, hint) NOTE_##id,
enum note_kind { NOTES(NOTE_ENUM) NOTE_KINDS };

struct notes {
	const char *file;
	struct {
		uint64_t count;
		uint64_t frame; // of the first, 0: of the whole file
		char text[160]; // of the first
	} of[NOTE_KINDS];
};

// frame: counted from 1, 0 when it is about no single one. The text is what, without its end.
void note(struct notes *n, enum note_kind kind, uint64_t frame, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
const char *note_name(enum note_kind kind);

// "FILE: frame N: what (and K more): what to do" on standard error, one line for each kind.
void notes_print(const struct notes *n);

#endif
