// Congestion controllers by name and by number. The numbers are what options carry and records may
// keep: they do not change. 0 stands for the engine's own, tcp.congestion_control.
#ifndef OB_SHARED_CONGESTION_H
#define OB_SHARED_CONGESTION_H

// X(ID, number, name)
#define OB_CC_LIST(X) X(NEWRENO, 1, "newreno") X(CUBIC, 2, "cubic") X(DCTCP, 3, "dctcp")

enum ob_cc {
	OB_CC_DEFAULT = 0,
#define X(id, number, name) OB_CC_##id = number,
	OB_CC_LIST(X)
#undef X
		OB_CC_END // one past the last
};

#endif
