#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Keeps at most so many capture files open; the one longest unused makes room.
final class OpenFiles {
  private var limit: Int
  private var files: [CaptureFile] = []
  private var uses: UInt64 = 0

  init(limit: Int) { self.limit = max(1, limit) }

  /// Makes sure that a file is open.
  func open(_ file: CaptureFile) throws(CaptureError) {
    uses &+= 1
    file.lastUse = uses
    if file.isOpen { return }
    while files.count >= limit { closeLongestUnused() }
    while true {
      do throws(CaptureError) {
        try file.open()
        break
      } catch {
        // The process may have fewer descriptors left than the limit assumes.
        guard error.code == EMFILE || error.code == ENFILE, !files.isEmpty else { throw error }
        limit = max(1, files.count - 1)
        closeLongestUnused()
      }
    }
    files.append(file)
  }

  /// Closes a file that is not needed any more.
  func close(_ file: CaptureFile) {
    file.close()
    files.removeAll { $0 === file }
  }

  /// Closes all of them.
  func closeAll() {
    for file in files { file.close() }
    files.removeAll()
  }

  /// How many are open.
  var count: Int { files.count }

  private func closeLongestUnused() {
    guard let oldest = files.indices.min(by: { files[$0].lastUse < files[$1].lastUse }) else {
      return
    }
    files[oldest].close()
    files.swapAt(oldest, files.count - 1)
    files.removeLast()
  }
}
