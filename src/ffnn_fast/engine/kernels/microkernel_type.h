/* All of microkernel.h for one type: `real`, named TYPE, UNIT of them in 16 bytes. */
#define WIDTH MK_BYTES
#include "microkernel_vectors.h"
#include "microkernel_layout.h"
#include "microkernel_panels.h"
#include "microkernel_gradients.h"
#include "microkernel_rows.h"
#include "microkernel_sparse.h"
#undef WIDTH
#define WIDTH MK_ONLINE_BYTES
#if MK_ONLINE_BYTES != MK_BYTES
#include "microkernel_vectors.h"
#endif
#include "microkernel_online.h"
#include "microkernel_adam.h"
#undef WIDTH
