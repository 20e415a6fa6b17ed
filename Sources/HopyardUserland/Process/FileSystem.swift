import HopyardSimulator

/// A tree of files that are views of something, such as `/proc/sys`.
///
/// Paths are relative to where it is mounted, without a leading slash; the mount itself is "".
public protocol VirtualTree: AnyObject {
  /// The whole content of a file.
  func read(_ path: String, for process: Process) throws(Errno) -> [UInt8]
  /// Takes what one `write` brings.
  func write(_ path: String, _ bytes: [UInt8], for process: Process) throws(Errno)
  /// The names in a directory; throws `.notDirectory` for a file.
  func list(_ path: String, for process: Process) throws(Errno) -> [String]
}

/// What a path names.
public enum FileKind: Sendable {
  case file
  case directory
  case device
}

/// How a file is opened.
public enum OpenMode: Sendable {
  case read
  case write
  case append
  case readWrite
}

/// A machine's files: a tree in memory, and virtual trees mounted in it.
public final class FileSystem {
  fileprivate final class Node {
    var entries: [String: Node]?
    var bytes: [UInt8] = []
    init(isDirectory: Bool) { entries = isDirectory ? [:] : nil }
  }

  private let root = Node(isDirectory: true)
  private var mounts: [(path: String, tree: any VirtualTree)] = []
  private let random: RandomSource
  fileprivate var used = 0
  static let capacity = 1 << 28
  private var nodes = 0

  /// Makes a tree with the usual directories.
  public init(random: RandomSource = RandomSource(seed: 1)) {
    self.random = random
    for path in ["/dev", "/etc/netns", "/proc", "/run", "/sys", "/tmp", "/root", "/home", "/usr"] {
      try? makeDirectory(path, withParents: true)
    }
  }

  /// Shows a virtual tree at a path.
  public func mount(_ tree: any VirtualTree, at path: String) {
    mounts.append((Self.normal(path), tree))
    mounts.sort { $0.path.utf8.count > $1.path.utf8.count }
  }

  /// The path without `.`, `..` and doubled slashes.
  public static func normal(_ path: String, in directory: String = "/") -> String {
    if isNormal(path) { return path }
    var parts: [Substring] = []
    let whole = path.hasPrefix("/") ? path : directory + "/" + path
    for part in whole.split(separator: "/") {
      if part == "." { continue }
      if part == ".." {
        _ = parts.popLast()
      } else {
        parts.append(part)
      }
    }
    return "/" + parts.joined(separator: "/")
  }

  /// Whether a path is absolute and has no `.`, no `..` and no slash too many.
  private static func isNormal(_ path: String) -> Bool {
    guard path.utf8.first == 0x2F else { return false }
    if path.utf8.count == 1 { return true }
    var previous: UInt8 = 0
    for byte in path.utf8 {
      // What begins with a dot is looked at more closely.
      if previous == 0x2F && (byte == 0x2F || byte == 0x2E) { return false }
      previous = byte
    }
    return previous != 0x2F
  }

  /// The virtual tree that shows a path, and the path in it.
  private func virtual(_ path: String) -> (tree: any VirtualTree, path: String)? {
    for mount in mounts {
      if path == mount.path { return (mount.tree, "") }
      if path.hasPrefix(mount.path + "/") {
        return (mount.tree, String(path.dropFirst(mount.path.count + 1)))
      }
    }
    return nil
  }

  private func node(_ path: String) throws(Errno) -> Node {
    var node = root
    for part in path.utf8.split(separator: 0x2F) {
      guard let entries = node.entries else { throw .notDirectory }
      guard let next = entries[String(Substring(part))] else { throw .noSuchFile }
      node = next
    }
    return node
  }

  private func parent(_ path: String) throws(Errno) -> (node: Node, name: String) {
    guard let slash = path.utf8.lastIndex(of: 0x2F), path != "/" else { throw .isDirectory }
    let directory = try node(String(path[..<slash]))
    guard directory.entries != nil else { throw .notDirectory }
    return (directory, String(path[path.utf8.index(after: slash)...]))
  }

  /// What a path names; nil when there is nothing.
  public func kind(_ path: String, for process: Process? = nil) -> FileKind? {
    if device(path) != nil { return .device }
    if let process, let virtual = virtual(path) {
      do {
        _ = try virtual.tree.list(virtual.path, for: process)
        return .directory
      } catch {
        guard error == .notDirectory else { return nil }
        return .file
      }
    }
    guard let node = try? node(path) else { return nil }
    return node.entries == nil ? .file : .directory
  }

  /// The size of a file, as `test -s` and `ls -l` see it.
  public func size(_ path: String) -> Int { (try? node(path))?.bytes.count ?? 0 }

  private func device(_ path: String) -> OpenFile? {
    switch path {
    case "/dev/null": DeviceFile(.null, random: random)
    case "/dev/zero": DeviceFile(.zero, random: random)
    case "/dev/full": DeviceFile(.full, random: random)
    case "/dev/urandom", "/dev/random": DeviceFile(.random, random: random)
    default: nil
    }
  }

  /// Opens a file at a normal path.
  public func open(_ path: String, _ mode: OpenMode, for process: Process) throws(Errno) -> OpenFile
  {
    if path == "/dev/stdin" || path == "/dev/stdout" || path == "/dev/stderr" {
      let number: Int32 = path == "/dev/stdin" ? 0 : path == "/dev/stdout" ? 1 : 2
      guard let file = process.descriptor(number) else { throw .noSuchFile }
      return file
    }
    if path.hasPrefix("/dev/fd/") || path.hasPrefix("/proc/self/fd/") {
      guard let number = Int32(path.split(separator: "/").last ?? ""),
        let file = process.descriptor(number)
      else { throw .noSuchFile }
      return file
    }
    if let device = device(path) { return device }
    if let virtual = virtual(path) {
      return try VirtualFile(virtual.tree, virtual.path, mode, process)
    }
    let found: Node
    if mode == .read {
      found = try node(path)
    } else {
      let (directory, name) = try parent(path)
      if let existing = directory.entries?[name] {
        if existing.entries != nil { throw .isDirectory }
        found = existing
        if mode == .write {
          used -= found.bytes.count
          found.bytes = []
        }
      } else {
        found = try makeNode(isDirectory: false)
        directory.entries?[name] = found
      }
    }
    return RegularFile(self, found, mode)
  }

  private func makeNode(isDirectory: Bool) throws(Errno) -> Node {
    nodes += 1
    if nodes > 200_000 { throw .noSpace }
    return Node(isDirectory: isDirectory)
  }

  /// The content of a file.
  public func read(_ path: String, for process: Process) throws(Errno) -> [UInt8] {
    if let virtual = virtual(path) { return try virtual.tree.read(virtual.path, for: process) }
    if device(path) != nil { return [] }
    let node = try node(path)
    if node.entries != nil { throw .isDirectory }
    return node.bytes
  }

  /// Makes a file with some content.
  public func write(_ path: String, _ bytes: [UInt8]) throws(Errno) {
    let (directory, name) = try parent(Self.normal(path))
    let node: Node
    if let existing = directory.entries?[name] {
      node = existing
    } else {
      node = try makeNode(isDirectory: false)
    }
    if node.entries != nil { throw .isDirectory }
    used += bytes.count - node.bytes.count
    node.bytes = bytes
    directory.entries?[name] = node
  }

  /// The names in a directory, sorted.
  public func list(_ path: String, for process: Process) throws(Errno) -> [String] {
    if let virtual = virtual(path) { return try virtual.tree.list(virtual.path, for: process) }
    let node = try node(path)
    guard let entries = node.entries else { throw .notDirectory }
    var names = Set(entries.keys)
    let prefix = path == "/" ? "/" : path + "/"
    for mount in mounts where mount.path.hasPrefix(prefix) {
      if let name = mount.path.dropFirst(prefix.count).split(separator: "/").first {
        names.insert(String(name))
      }
    }
    return names.sorted()
  }

  /// Makes a directory.
  public func makeDirectory(_ path: String, withParents: Bool = false) throws(Errno) {
    let path = Self.normal(path)
    if path == "/" {
      guard withParents else { throw .exists }
      return
    }
    if virtual(path) != nil { throw .notPermitted }
    if withParents {
      var node = root
      for part in path.utf8.split(separator: 0x2F) {
        let part = Substring(part)
        guard node.entries != nil else { throw .notDirectory }
        if let next = node.entries?[String(part)] {
          node = next
        } else {
          let next = try makeNode(isDirectory: true)
          node.entries?[String(part)] = next
          node = next
        }
      }
      if node.entries == nil { throw .exists }
      return
    }
    let (directory, name) = try parent(path)
    if directory.entries?[name] != nil { throw .exists }
    directory.entries?[name] = try makeNode(isDirectory: true)
  }

  /// Removes a file, or a directory that is empty or goes with all that is in it.
  public func remove(
    _ path: String,
    recursively: Bool = false,
    directory wantsDirectory: Bool = false
  )
    throws(Errno)
  {
    if virtual(path) != nil { throw .notPermitted }
    let (directory, name) = try parent(path)
    guard let node = directory.entries?[name] else { throw .noSuchFile }
    if let entries = node.entries, !recursively {
      if !wantsDirectory { throw .isDirectory }
      if !entries.isEmpty { throw .notEmpty }
    } else if node.entries == nil, wantsDirectory, !recursively {
      throw .notDirectory
    }
    used -= node.bytes.count
    directory.entries?[name] = nil
  }

  /// Gives a file or directory another name.
  public func rename(_ path: String, to target: String) throws(Errno) {
    if virtual(path) != nil || virtual(target) != nil { throw .crossDevice }
    if target == path { return }
    if target.hasPrefix(path + "/") { throw .invalidArgument }
    let (from, name) = try parent(path)
    guard let node = from.entries?[name] else { throw .noSuchFile }
    let (to, newName) = try parent(target)
    if let existing = to.entries?[newName], existing.entries != nil, node.entries == nil {
      throw .isDirectory
    }
    from.entries?[name] = nil
    to.entries?[newName] = node
  }

  private final class RegularFile: OpenFile {
    let files: FileSystem
    let node: Node
    let mode: OpenMode
    var position = 0

    init(_ files: FileSystem, _ node: Node, _ mode: OpenMode) {
      self.files = files
      self.node = node
      self.mode = mode
    }

    override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? {
      if node.entries != nil { throw .isDirectory }
      if mode == .write || mode == .append { throw .badDescriptor }
      guard position < node.bytes.count else { return [] }
      let end = min(node.bytes.count, position + limit)
      defer { position = end }
      return Array(node.bytes[position..<end])
    }

    override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
      if mode == .read { throw .badDescriptor }
      if mode == .append { position = node.bytes.count }
      if position > node.bytes.count {
        node.bytes += Array(repeating: 0, count: position - node.bytes.count)
      }
      let overlap = min(bytes.count, node.bytes.count - position)
      let growth = bytes.count - overlap
      if files.used + growth > FileSystem.capacity { throw .noSpace }
      files.used += growth
      node.bytes.replaceSubrange(position..<(position + overlap), with: bytes)
      position += bytes.count
      return bytes.count
    }
  }

  private final class VirtualFile: OpenFile {
    let tree: any VirtualTree
    let path: String
    let mode: OpenMode
    let process: Process
    var content: [UInt8]?
    var isDirectory = true
    var position = 0

    init(_ tree: any VirtualTree, _ path: String, _ mode: OpenMode, _ process: Process)
      throws(Errno)
    {
      self.tree = tree
      self.path = path
      self.mode = mode
      self.process = process
      super.init()
      do {
        _ = try tree.list(path, for: process)
      } catch {
        if error != .notDirectory { throw error }
        isDirectory = false
      }
      if isDirectory {
        if mode != .read { throw .isDirectory }
        return
      }
      if mode == .read { content = try tree.read(path, for: process) }
    }

    override func tryRead(_ limit: Int) throws(Errno) -> [UInt8]? {
      if mode == .write || mode == .append { throw .badDescriptor }
      if isDirectory { throw .isDirectory }
      if content == nil { content = try tree.read(path, for: process) }
      guard let content, position < content.count else { return [] }
      let end = min(content.count, position + limit)
      defer { position = end }
      return Array(content[position..<end])
    }

    override func tryWrite(_ bytes: ArraySlice<UInt8>) throws(Errno) -> Int {
      if mode == .read { throw .badDescriptor }
      try tree.write(path, Array(bytes), for: process)
      return bytes.count
    }
  }
}
