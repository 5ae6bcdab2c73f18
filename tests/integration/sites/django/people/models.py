import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class People(BaseUserManager):
    def create_user(self, email, password):
        person = self.model(email=email)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    USERNAME_FIELD = "email"
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="person_uuid")
    email = models.EmailField(unique=True)
    password = models.CharField(max_length=128, db_column="secret")
    is_active = models.BooleanField(default=True, db_column="live")
    objects = People()

    class Meta:
        db_table = "hr_person"
