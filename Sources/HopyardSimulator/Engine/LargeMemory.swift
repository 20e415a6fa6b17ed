#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Memory for large tables that are read at random places.
///
/// From two megabytes on it asks for huge pages, as a kernel's own memory has: a look-up then costs
/// one miss and not one more for its address.
enum LargeMemory {
  /// The size of a huge page in bytes.
  static var pageSize: Int { 2 << 20 }

  /// Allocates memory that begins with a cache line.
  static func allocate(_ size: Int) -> UnsafeMutableRawPointer {
    guard size >= pageSize else { return .allocate(byteCount: max(size, 64), alignment: 64) }
    let rounded = (size + pageSize - 1) & ~(pageSize - 1)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: rounded, alignment: pageSize)
    #if os(Linux)
      // Only advice: without it everything works the same.
      _ = madvise(memory, rounded, 14)
    #endif
    return memory
  }
}
