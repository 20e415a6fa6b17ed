import HopyardSimulator

/// `net/ipv4/conf`: settings of `all`, `default` and each device.
enum InterfaceSettingFiles {
  private static let names = InterfaceSetting.allCases.map(\.name).sorted()

  static func node(_ path: [String], _ namespace: NetworkNamespace) throws(Errno)
    -> SystemSettingNode
  {
    guard let place = path.first else {
      return .directory((["all", "default"] + namespace.devices.all.map(\.name)).sorted())
    }
    let scope: NetworkNamespace.SettingScope
    switch place {
    case "all": scope = .all
    case "default": scope = .default
    default:
      guard let device = namespace.devices[place] else { throw .noSuchFile }
      scope = .device(device)
    }
    guard path.count > 1 else { return .directory(names) }
    guard path.count == 2,
      let setting = InterfaceSetting.allCases.first(where: { $0.name == path[1] })
    else { throw .noSuchFile }
    return .setting(file(setting, scope, namespace))
  }

  private static func file(
    _ setting: InterfaceSetting,
    _ scope: NetworkNamespace.SettingScope,
    _ namespace: NetworkNamespace
  ) -> SystemSetting {
    let read = { Int64(namespace.setting(setting, scope)) }
    if setting == .mcForwarding { return .integer(read: read, write: nil) }
    return .integer(read: read) { value throws(Errno) in
      // Writing what is there changes nothing, not even other files.
      if setting == .forwarding, case .all = scope, (value != 0) == (read() != 0) { return }
      namespace.set(setting, scope, to: Int32(truncatingIfNeeded: value))
    }
  }
}
