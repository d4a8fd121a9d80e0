"""Lists the packages, which setup.cfg cannot: those of src/, and conf/ as flam_pl.conf."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("src"), "flam_pl.conf"])
