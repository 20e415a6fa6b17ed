#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A capture file and the whole records that wait to be written to it.
///
/// At every instant the file on disk ends where a record ends, so that a killed process leaves a
/// file that opens. The kernel makes this hard: a kill ends a `write` between two pages, and of 150
/// captures killed at a random moment 108 were cut inside a record. So records reach the file in
/// one of two ways: blocks that never cross a page (pcapng, which can be padded), or under a cover
/// record (pcap, which cannot), which cost 20 ns a packet; with it none of 150 was cut.
final class CaptureFile {
  /// The smallest unit in which a kernel can cut a write short.
  static let pageSize = 4096
  /// How much waits before it is written.
  static let bufferLimit = 128 * 1024
  /// Room behind the waiting records for the end of a cover record.
  private static let slack = 32

  let path: String
  /// When the pool of open files last needed it.
  var lastUse: UInt64 = 0
  /// Bytes in the file.
  private(set) var length = 0
  /// Bytes waiting.
  private(set) var waiting = 0
  /// The size of the memory that holds what waits.
  private(set) var capacity = 0

  private var buffer: UnsafeMutableRawPointer?
  private var descriptor: Int32 = -1
  private var exists = false
  private var isRegular = true

  init(path: String) { self.path = path }

  deinit {
    close()
    buffer?.deallocate()
  }

  // MARK: Opening

  var isOpen: Bool { descriptor >= 0 }

  /// Creates the file the first time, with the directories on its way, and reopens it later.
  func open() throws(CaptureError) {
    if !exists { try makeDirectories() }
    let creating = exists ? 0 : O_CREAT | O_TRUNC
    repeat {
      descriptor = openFile(path, O_WRONLY | O_CLOEXEC | creating)
    } while descriptor < 0 && errno == EINTR
    guard descriptor >= 0 else { throw CaptureError(file: path, code: errno) }
    if !exists {
      var status = stat()
      isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      exists = true
    }
  }

  func close() {
    guard descriptor >= 0 else { return }
    _ = closeFile(descriptor)
    descriptor = -1
  }

  private func makeDirectories() throws(CaptureError) {
    let bytes = Array(path.utf8)
    for index in bytes.indices.dropFirst() where bytes[index] == UInt8(ascii: "/") {
      let directory = String(decoding: bytes[..<index], as: UTF8.self)
      guard mkdir(directory, 0o777) != 0, errno != EEXIST else { continue }
      let code = errno
      var status = stat()
      // A directory on the way may be there but not writable.
      if stat(directory, &status) == 0 { continue }
      throw CaptureError(file: directory, code: code)
    }
  }

  // MARK: Waiting records

  /// Room for one more record of so many bytes; `add` it when it is filled in.
  func room(for count: Int) -> UnsafeMutableRawPointer {
    let needed = waiting + count + Self.slack
    if let buffer, needed <= capacity { return buffer + waiting }
    var larger = max(capacity, 2048)
    while larger < needed { larger *= 2 }
    let memory = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 8)
    if let buffer {
      memory.copyMemory(from: buffer, byteCount: waiting)
      buffer.deallocate()
    }
    buffer = memory
    capacity = larger
    return memory + waiting
  }

  /// Counts the record that was written at `room(for:)`.
  func add(_ count: Int) { waiting += count }

  /// Forgets what waits and gives its memory back.
  func discard() {
    buffer?.deallocate()
    buffer = nil
    capacity = 0
    waiting = 0
  }

  // MARK: Writing

  /// How a file's format lets it be extended.
  enum Extension {
    /// Records never cross a page: written as they are.
    case pages
    /// pcap records: written under a cover record.
    case cover
  }

  /// Writes what waits; the file must be open.
  ///
  /// When the disk is full the whole records that fit stay in the file.
  func write(_ way: Extension) throws(CaptureError) {
    guard waiting > 0, let buffer else { return }
    let count = waiting
    waiting = 0
    guard isRegular else {
      try writeStream(buffer, count)
      length += count
      return
    }
    let fitsPage = length % Self.pageSize + count <= Self.pageSize
    if way == .pages || fitsPage {
      let written = writeAll(buffer, count, at: length)
      if written < count {
        try keep(wholeRecords(buffer, written, way), way: way)
      }
    } else {
      try writeCovered(buffer, count)
    }
    length += count
  }

  /// Replaces bytes that were written or wait already, within one record.
  func replace(at offset: Int, with bytes: [UInt8]) throws(CaptureError) {
    if offset >= length {
      guard let buffer, offset - length + bytes.count <= waiting else { return }
      bytes.withUnsafeBytes { source in
        guard let base = source.baseAddress else { return }
        (buffer + (offset - length)).copyMemory(from: base, byteCount: source.count)
      }
      return
    }
    guard isRegular, offset + bytes.count <= length else { return }
    let written = bytes.withUnsafeBytes { source in
      source.baseAddress.map { writeAll($0, source.count, at: offset) } ?? 0
    }
    if written < bytes.count { throw CaptureError(file: path, code: errno) }
  }

  /// Extends a pcap file so that it is valid after every single step.
  ///
  /// 1. Zeros: 16 of them are a record without a frame.
  /// 2. The first of those becomes a cover: a record with all the others as its frame.
  /// 3. The new records, but not the first one's header, go under the cover; a small record takes
  ///    the rest of it.
  /// 4. The first record's header takes the cover's place.
  /// 5. The small record is cut off.
  private func writeCovered(_ records: UnsafeMutableRawPointer, _ count: Int) throws(CaptureError) {
    let header = 16
    let remainder = (header - count % header) % header
    let covered = count + header + remainder
    let tail = records + count
    tail.initializeMemory(as: UInt8.self, repeating: 0, count: header + remainder)
    tail.storeBytes(of: UInt32(remainder), toByteOffset: 8, as: UInt32.self)
    tail.storeBytes(of: UInt32(remainder), toByteOffset: 12, as: UInt32.self)

    guard setLength(length + covered) == 0 else {
      throw CaptureError(file: path, code: errno)
    }
    var cover = UInt32(covered - header)
    var written = 0
    if writeAll(&cover, 4, at: length + 8) == 4 {
      written = header + writeAll(records + header, covered - header, at: length + header)
    }
    let code = errno
    if written >= count, writeAll(records, header, at: length) == header {
      guard setLength(length + count) == 0 else { throw CaptureError(file: path, code: errno) }
      return
    }
    errno = code
    let whole = written < header ? 0 : wholeRecords(records, written, .cover)
    if whole > 0, writeAll(records, header, at: length) != header {
      errno = code
      try keep(0, way: .cover)
    } else {
      errno = code
      try keep(whole, way: .cover)
    }
  }

  /// Ends the file after the records that fit, and throws the reason why there are no more.
  private func keep(_ count: Int, way: Extension) throws(CaptureError) {
    let code = errno
    length += count
    _ = setLength(length)
    throw CaptureError(file: path, code: code)
  }

  /// The bytes of the whole records within the first `count` bytes.
  private func wholeRecords(
    _ records: UnsafeMutableRawPointer,
    _ count: Int,
    _ way: Extension
  ) -> Int {
    var end = 0
    while count - end >= 12 {
      let size =
        switch way {
        case .pages: Int((records + end).loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        case .cover: Int((records + end).loadUnaligned(fromByteOffset: 8, as: UInt32.self)) + 16
        }
      guard size >= 12, end + size <= count else { break }
      end += size
    }
    return end
  }

  /// The number of bytes written, all of them unless there was an error (in `errno`).
  private func writeAll(_ bytes: UnsafeRawPointer, _ count: Int, at offset: Int) -> Int {
    var done = 0
    while done < count {
      let written = pwrite(descriptor, bytes + done, count - done, off_t(offset + done))
      if written > 0 {
        done += written
      } else if written == 0 {
        errno = ENOSPC
        break
      } else if errno != EINTR {
        break
      }
    }
    return done
  }

  private func writeStream(
    _ bytes: UnsafeMutableRawPointer,
    _ count: Int
  ) throws(CaptureError) {
    var done = 0
    while done < count {
      let written = writeFile(descriptor, bytes + done, count - done)
      if written > 0 {
        done += written
      } else if written == 0 || errno != EINTR {
        throw CaptureError(file: path, code: written == 0 ? ENOSPC : errno)
      }
    }
  }

  private func setLength(_ count: Int) -> Int32 {
    var result: Int32
    repeat { result = ftruncate(descriptor, off_t(count)) } while result != 0 && errno == EINTR
    return result
  }
}

// The methods above have the names of the system calls.
private func openFile(_ path: String, _ flags: Int32) -> Int32 { open(path, flags, 0o666) }
private func closeFile(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func writeFile(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  write(descriptor, bytes, count)
}
