"""NetworkManager for the WiFi tests: dbusmock's own template, and what it lacks.

The template connects at once, whatever the password. Here a connection takes the steps of the real service, one
reason after another, and may fail at each; a scan ends, an adapter can be unplugged, and a request can be denied.
The test drives it through the methods of dbusmock's own interface at the end of this file.
"""

import json

import dbus
import dbusmock
from dbusmock import MOCK_IFACE
from dbusmock.templates import networkmanager as base
from dbusmock.templates.networkmanager import *  # noqa: F403 (a template's methods are what its module holds)
from gi.repository import GLib

BUS_NAME = base.BUS_NAME
MAIN_OBJ = base.MAIN_OBJ
SYSTEM_BUS = True
IS_OBJECT_MANAGER = True

DEVICES = '/org/freedesktop/NetworkManager/Devices/'
ACTIVE = '/org/freedesktop/NetworkManager/ActiveConnection/'
POINTS = '/org/freedesktop/NetworkManager/AccessPoint/'
IP4_IFACE = 'org.freedesktop.NetworkManager.IP4Config'
STEP_MS = 20

networks = {}
secrets = {}
world = {'denied': False, 'last': '{}', 'next': 0, 'scans': 0}


def objects():
    return dbusmock.mockobject.objects


def number():
    world['next'] += 1
    return str(world['next'])


def check_allowed():
    if world['denied']:
        raise dbus.exceptions.DBusException('Insufficient privileges', name=BUS_NAME + '.PermissionDenied')


def set_state(device_path, state, reason):
    device = objects().get(device_path)
    if device is None:
        return
    old = device.Get(base.DEVICE_IFACE, 'State')
    device.Set(base.DEVICE_IFACE, 'State', dbus.UInt32(state))
    device.EmitSignal(base.DEVICE_IFACE, 'StateChanged', 'uuu', [dbus.UInt32(state), old, dbus.UInt32(reason)])


def set_active_state(path, state, reason):
    active = objects().get(path)
    if active is not None:
        active.Set(base.ACTIVE_CONNECTION_IFACE, 'State', dbus.UInt32(state))
        active.EmitSignal(base.ACTIVE_CONNECTION_IFACE, 'StateChanged', 'uu', [dbus.UInt32(state), dbus.UInt32(reason)])


def release(device_path, state=30, reason=0):
    """The adapter is not connected any more."""
    device = objects().get(device_path)
    if device is None:
        return
    active = str(device.Get(base.DEVICE_IFACE, 'ActiveConnection'))
    device.Set(base.DEVICE_IFACE, 'ActiveConnection', dbus.ObjectPath('/'))
    device.Set(base.DEVICE_IFACE, 'Ip4Config', dbus.ObjectPath('/'))
    device.Set(base.WIRELESS_DEVICE_IFACE, 'ActiveAccessPoint', dbus.ObjectPath('/'))
    set_state(device_path, state, reason)
    if active in objects():
        set_active_state(active, 4, 2)
        manager = dbusmock.get_object(base.MANAGER_OBJ)
        remaining = [path for path in manager.Get(base.MANAGER_IFACE, 'ActiveConnections') if path != active]
        manager.Set(base.MANAGER_IFACE, 'ActiveConnections', dbus.Array(remaining, signature='o'))
        manager.RemoveObject(active)


def start(manager, profile, device_path, point):
    """Begins a connection and leaves the rest to the main loop, as the real service does."""
    check_allowed()
    release(device_path)
    settings = dbusmock.get_object(profile).settings
    ssid = bytes(settings['802-11-wireless']['ssid']).decode()
    active = ACTIVE + number()
    manager.AddObject(active, base.ACTIVE_CONNECTION_IFACE, {
        'Connection': dbus.ObjectPath(profile),
        'SpecificObject': dbus.ObjectPath(point),
        'Devices': dbus.Array([dbus.ObjectPath(device_path)], signature='o'),
        'Id': settings['connection']['id'],
        'Type': '802-11-wireless',
        'State': dbus.UInt32(1),
    }, [])
    paths = list(manager.Get(base.MANAGER_IFACE, 'ActiveConnections')) + [dbus.ObjectPath(active)]
    manager.Set(base.MANAGER_IFACE, 'ActiveConnections', dbus.Array(paths, signature='o'))
    dbusmock.get_object(device_path).Set(base.DEVICE_IFACE, 'ActiveConnection', dbus.ObjectPath(active))
    set_state(device_path, 40, 0)
    GLib.timeout_add(STEP_MS, lambda: finish(active, profile, device_path, ssid))
    return dbus.ObjectPath(active)


def finish(active, profile, device_path, ssid):
    device = objects().get(device_path)
    if device is None or active not in objects():
        return False
    set_state(device_path, 50, 0)
    network = networks.get(ssid)
    if network is None:
        fail(device_path, 53)
    elif network['password'] != secrets.get(profile, ''):
        if network['behaviour'] == 'asks':
            set_state(device_path, 60, 8)
        else:
            fail(device_path, 7)
    elif network['behaviour'] == 'no-address':
        set_state(device_path, 70, 0)
        fail(device_path, 17)
    elif network['behaviour'] != 'never':
        set_state(device_path, 70, 0)
        succeed(device, active, ssid)
    return False


def fail(device_path, reason):
    set_state(device_path, 120, reason)
    release(device_path)


def succeed(device, active, ssid):
    ip4 = '/org/freedesktop/NetworkManager/IP4Config/' + number()
    device.AddObject(ip4, IP4_IFACE, {
        'AddressData': dbus.Array([{'address': '192.0.2.10', 'prefix': dbus.UInt32(24)}], signature='a{sv}'),
    }, [])
    device.Set(base.DEVICE_IFACE, 'Ip4Config', dbus.ObjectPath(ip4))
    device.Set(base.WIRELESS_DEVICE_IFACE, 'ActiveAccessPoint', dbus.ObjectPath(networks[ssid]['path']))
    set_state(device.path, 100, 0)
    set_active_state(active, 2, 1)


def add_and_activate(manager, settings, device_path, point):
    check_allowed()
    world['last'] = json.dumps(settings, default=lambda value: bytes(value).decode())
    psk = settings.get('802-11-wireless-security', {}).pop('psk', '')
    settings['connection'].pop('autoconnect', None)  # the template would connect at once
    profile = str(manager.SettingsAddConnection(settings))
    secrets[profile] = str(psk)
    return (dbus.ObjectPath(profile), start(manager, profile, device_path, point))


def deactivate(_manager, active):
    check_allowed()
    if active in objects():
        release(str(objects()[active].Get(base.ACTIVE_CONNECTION_IFACE, 'Devices')[0]))


def request_scan(device, _options):
    check_allowed()

    def seen():
        if device.path in objects():
            world['scans'] += 1
            device.Set(base.WIRELESS_DEVICE_IFACE, 'LastScan', dbus.Int64(world['scans']))
        return False

    GLib.timeout_add(STEP_MS, seen)


def disconnect(device):
    check_allowed()
    if str(device.Get(base.DEVICE_IFACE, 'ActiveConnection')) == '/':
        raise dbus.exceptions.DBusException('not active', name=base.DEVICE_IFACE + '.NotActive')
    GLib.timeout_add(STEP_MS, lambda: release(device.path, 30, 39))


def load(mock, parameters):
    base.load(mock, parameters)
    manager = dbusmock.get_object(base.MANAGER_OBJ)
    manager.activate_connection = start
    manager.deactivate_connection = deactivate
    manager.add_and_activate_connection = add_and_activate


@dbus.service.method(MOCK_IFACE, in_signature='s', out_signature='')
def Plug(self, name):
    self.AddWiFiDevice(name, name, 30)
    device = objects()[DEVICES + name]
    device.AddProperties(base.DEVICE_IFACE, {'Ip4Config': dbus.ObjectPath('/')})
    device.AddProperties(base.WIRELESS_DEVICE_IFACE, {
        'ActiveAccessPoint': dbus.ObjectPath('/'),
        'LastScan': dbus.Int64(-1),
    })
    device.AddMethod(base.WIRELESS_DEVICE_IFACE, 'RequestScan', 'a{sv}', '', request_scan)
    device.AddMethod(base.DEVICE_IFACE, 'Disconnect', '', '', disconnect)
    for ssid in networks:
        show(self, name, ssid)


@dbus.service.method(MOCK_IFACE, in_signature='s', out_signature='')
def Unplug(self, name):
    path = DEVICES + name
    release(path, 10, 36)
    manager = dbusmock.get_object(base.MANAGER_OBJ)
    remaining = [device for device in manager.Get(base.MANAGER_IFACE, 'Devices') if device != path]
    manager.Set(base.MANAGER_IFACE, 'Devices', dbus.Array(remaining, signature='o'))
    for ssid in networks:
        self.RemoveAccessPoint(path, networks[ssid]['path'])
    self.RemoveObject(path)
    manager.EmitSignal(base.MANAGER_IFACE, 'DeviceRemoved', 'o', [dbus.ObjectPath(path)])


def show(self, name, ssid):
    network = networks[ssid]
    seen_as = '' if network['hidden'] else ssid
    self.AddAccessPoint(DEVICES + name, network['path'][len(POINTS):], seen_as, '02:00:00:00:00:01', 2,
                        network['frequency'], 54000, dbus.Byte(network['strength']), network['security'])


@dbus.service.method(MOCK_IFACE, in_signature='sssyuubs', out_signature='')
def Appear(self, name, ssid, password, strength, frequency, security, hidden, behaviour):
    networks[str(ssid)] = {
        'path': POINTS + number(), 'password': str(password), 'strength': int(strength), 'frequency': int(frequency),
        'security': dbus.UInt32(security), 'hidden': bool(hidden), 'behaviour': str(behaviour),
    }
    show(self, name, str(ssid))


@dbus.service.method(MOCK_IFACE, in_signature='ss', out_signature='')
def Vanish(self, name, ssid):
    network = networks.pop(str(ssid))
    device = objects()[DEVICES + name]
    if device.Get(base.WIRELESS_DEVICE_IFACE, 'ActiveAccessPoint') == network['path']:
        release(device.path, 30, 53)
    self.RemoveAccessPoint(device.path, network['path'])


@dbus.service.method(MOCK_IFACE, in_signature='b', out_signature='')
def Deny(_self, denied):
    world['denied'] = bool(denied)


@dbus.service.method(MOCK_IFACE, in_signature='su', out_signature='')
def SetDeviceState(_self, name, state):
    set_state(DEVICES + name, state, 0)


@dbus.service.method(MOCK_IFACE, in_signature='', out_signature='s')
def LastSettings(_self):
    """What was last asked to be connected, as JSON, with its secrets."""
    return world['last']


@dbus.service.method(MOCK_IFACE, in_signature='', out_signature='as')
def ProfileIds(_self):
    paths = dbusmock.get_object(base.SETTINGS_OBJ).ListConnections()
    return [objects()[path].settings['connection']['id'] for path in paths]
