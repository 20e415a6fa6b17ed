import HopyardContainers
public import HopyardUserland

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads the files of scenarios.
public enum ScenarioFiles {
  /// The largest file that is read.
  static let limit = 64 << 20

  /// The text of a file; what is no UTF-8 is replaced.
  public static func read(_ path: String) throws(Problem) -> String {
    func fail(_ reason: String) -> Problem {
      Problem(file: path, location: SourceLocation(line: 1, column: 1), message: reason)
    }
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { throw fail(String(cString: strerror(errno))) }
    defer { _ = close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &buffer)
      if count < 0 {
        if errno == EINTR { continue }
        throw fail(String(cString: strerror(errno)))
      }
      if count == 0 { break }
      bytes.append(contentsOf: buffer[..<count])
      if bytes.count > limit { throw fail("more than \(limit >> 20) MiB") }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func read(_ descriptor: Int32, _ buffer: inout [UInt8]) -> Int {
    #if canImport(Glibc)
      Glibc.read(descriptor, &buffer, buffer.count)
    #elseif canImport(Musl)
      Musl.read(descriptor, &buffer, buffer.count)
    #else
      Darwin.read(descriptor, &buffer, buffer.count)
    #endif
  }

  /// The manifests that a path names: the file, or the YAML files of a folder in the order of their
  /// names.
  static func manifests(_ path: String, at node: YAMLNode) throws(Problem) -> [String] {
    guard let folder = opendir(path) else { return [path] }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      // A kustomization says how manifests are put together, and is none itself.
      if name == "kustomization.yaml" || name == "kustomization.yml" { continue }
      if name.hasSuffix(".yaml") || name.hasSuffix(".yml") || name.hasSuffix(".json") {
        names.append(name)
      }
    }
    if names.isEmpty { throw node.problem("\(path) holds no manifests") }
    return names.sorted().map { path + "/" + $0 }
  }
}
