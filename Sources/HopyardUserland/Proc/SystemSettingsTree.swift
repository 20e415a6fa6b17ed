import HopyardSimulator

/// `/proc/sys`: the settings of the namespace of whoever looks.
final class SystemSettingsTree: VirtualTree {
  func read(_ path: String, for process: Process) throws(Errno) -> [UInt8] {
    guard case .setting(let setting) = try node(path, for: process) else { throw .isDirectory }
    return Array((setting.read() + "\n").utf8)
  }

  func write(_ path: String, _ bytes: [UInt8], for process: Process) throws(Errno) {
    guard case .setting(let setting) = try node(path, for: process) else { throw .isDirectory }
    guard let write = setting.write else { throw .accessDenied }
    try write(String(decoding: bytes, as: UTF8.self))
  }

  func list(_ path: String, for process: Process) throws(Errno) -> [String] {
    guard case .directory(let names) = try node(path, for: process) else { throw .notDirectory }
    return names
  }

  private func node(_ path: String, for process: Process) throws(Errno) -> SystemSettingNode {
    let parts = path.split(separator: "/").map(String.init)
    let namespace = process.namespace
    guard let first = parts.first else { return .directory(["kernel", "net"]) }
    let rest = Array(parts.dropFirst())
    switch first {
    case "kernel": return try kernel(rest, process)
    case "net": return try net(rest, namespace, process)
    default: throw .noSuchFile
    }
  }

  private func kernel(_ path: [String], _ process: Process) throws(Errno) -> SystemSettingNode {
    switch path {
    case []: return .directory(["hostname", "osrelease", "ostype", "printk"])
    case ["hostname"]:
      return .setting(
        SystemSetting(
          read: { process.hostname },
          write: { text throws(Errno) in
            process.hostname = String(text.prefix { $0 != "\n" })
          }
        )
      )
    case ["osrelease"]: return .setting(SystemSetting(read: { "6.18.0" }))
    case ["ostype"]: return .setting(SystemSetting(read: { "Linux" }))
    case ["printk"]:
      return .setting(SystemSetting(read: { "4\t4\t1\t7" }, write: { _ throws(Errno) in }))
    default: throw .noSuchFile
    }
  }

  private func net(_ path: [String], _ namespace: NetworkNamespace, _ process: Process)
    throws(Errno) -> SystemSettingNode
  {
    guard let family = path.first else {
      return .directory(["bridge", "core", "ipv4", "ipv6", "netfilter", "unix"])
    }
    let rest = Array(path.dropFirst())
    switch (family, rest.first) {
    case ("ipv4", "conf"):
      return try InterfaceSettingFiles.node(Array(rest.dropFirst()), namespace)
    case ("ipv4", "neigh"):
      return try NeighbourSettingFiles.node(Array(rest.dropFirst()), namespace)
    case ("ipv6", "conf"), ("ipv6", "neigh"):
      return try IPv6SettingFiles.node(rest, namespace, process)
    default: break
    }
    if rest.isEmpty {
      var names = NamespaceSettingFiles.names(in: family) + InertSettings.names(in: family)
      if family == "ipv4" { names += ["conf", "neigh"] }
      if family == "ipv6" { names += ["conf", "neigh"] }
      if family == "netfilter" { names += ConntrackSettingFiles.names }
      if names.isEmpty { throw .noSuchFile }
      return .directory(Array(Set(names)).sorted())
    }
    let key = rest.joined(separator: "/")
    if family == "ipv4", let setting = NamespaceSettingFiles.setting(key, namespace) {
      return .setting(setting)
    }
    if family == "netfilter", let setting = ConntrackSettingFiles.setting(key, namespace) {
      return .setting(setting)
    }
    if family == "core", key == "somaxconn" { return .setting(TCPSettingFiles.backlog(namespace)) }
    if let setting = InertSettings.setting(family + "/" + key, namespace) {
      return .setting(setting)
    }
    if family == "ipv4", key == "route" {
      return .directory(["flush", "min_adv_mss", "min_pmtu", "mtu_expires"])
    }
    throw .noSuchFile
  }
}
